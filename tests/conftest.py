"""What all tests share: tests marked `rig` run on a kernel that can carry a rig (see tests/rig/conftest.py)."""

import signal

import hypothesis
import pytest
from guest_session import RigTests

# The same inputs each time: whether a change may land does not depend on luck.  To look for what nobody has seen yet:
# pytest --hypothesis-profile explore
hypothesis.settings.register_profile("same", derandomize=True)
hypothesis.settings.register_profile("explore", derandomize=False)
hypothesis.settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    choices = ("auto", "host", "uml")
    parser.addoption("--kernel", choices=choices, default="auto", help="the kernel that rig tests run on")


def pytest_configure(config: pytest.Config) -> None:
    # A shell lets what it starts in the background ignore Ctrl-C, and all that the tests start would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(RigTests(config), "rig-tests")
