"""Tests on a rig: real namespaces, netem, kernel IPsec and daemons.

Every test in this folder is marked `rig` by itself; elsewhere write `@pytest.mark.rig`.  Just run pytest as always:

    .venv/bin/pytest tests/rig/test_x.py -k something

Where the host's kernel can carry a rig and we are root, rig tests run like any other.  Otherwise all those selected run
in User-mode Linux guests (2 s to start), in which they are root; the outer pytest reports each of them as its own.
`--kernel host|uml` decides instead of looking.  So a test needs no knowledge of where it runs, but it must know that:

- inside a guest only `tmp_path` is on the host's disk (build/rig-tests/N/tmp, kept where the test failed); whatever is
  written elsewhere lies in memory and is gone with the guest;
- there is one CPU, process starts cost 30 ms, and imports are several times slower than on the host;
- a test marked `simulated` runs in a guest of its own kind, whose clock stands still while anything computes and jumps
  when everything waits (skipped where the rig kernel has not been built): there an hour's wait costs seconds;
- nothing can be asked: `--pdb` and `-s` do not reach inside.  What pytest prints there, and what the guest's kernel
  says, lies in build/rig-tests/N/pytest.log and kernel.log; the folder is removed when all passed.
"""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.rig)
