"""What all tests share: tests marked `rig` run on a kernel that can carry a rig (see tests/rig/conftest.py)."""

import pytest
from guest_session import RigTests


def pytest_addoption(parser: pytest.Parser) -> None:
    choices = ("auto", "host", "uml")
    parser.addoption("--kernel", choices=choices, default="auto", help="the kernel that rig tests run on")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(RigTests(config), "rig-tests")
