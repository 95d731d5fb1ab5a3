"""What every test can ask for: the real servers and the real terminal of `servers/`."""

pytest_plugins = ["servers.fixtures"]
