"""Tests that start guests do so on the host, whatever kernel the rig tests run on."""

import os
from pathlib import Path

import pytest

from testbed.rig.kernel import uml
from testbed.rig.kernel.choose import GUEST


@pytest.fixture
def guests() -> None:
    """A machine that can start guests."""
    if os.environ.get(GUEST):
        pytest.skip("a guest cannot start another one")
    if missing := uml.lacks():
        pytest.skip(f"no guest can start here: {missing}")


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """The controller's temporary folder."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder
