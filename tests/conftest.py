"""What every test can ask for: the real servers and the real terminal of `servers/`."""

import hypothesis

# How long one example takes depends on who else uses the machine: no promise is about that.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

pytest_plugins = ["servers.fixtures"]
