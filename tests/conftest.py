"""What every test can ask for: the real servers and the real terminal of `servers/`."""

import contextlib
import signal

import hypothesis

# How long one example takes depends on who else uses the machine: no promise is about that.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# A job in the background has Ctrl-C ignored, and so would every program that a test starts: a terminal has it not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["servers.fixtures"]
