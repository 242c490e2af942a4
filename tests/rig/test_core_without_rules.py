"""The checks of the rows fail at a core that leaves the row's rule out: they can fail, and for that reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from core_bench import core_bench
from sip_client import Timeout
from test_core_rules import CHECKS, NEVER_HEARD_OF_IT, SETS, options


@pytest.mark.parametrize("rule", NEVER_HEARD_OF_IT)
def test_with_its_rule_the_row_of_a_core_without_the_extension_holds(tmp_path: Path, rule: str) -> None:
    with core_bench(tmp_path, options(rule), sets=SETS) as bench:
        CHECKS[rule](bench)


@pytest.mark.parametrize("rule", CHECKS)
def test_without_its_rule_the_row_does_not_hold(tmp_path: Path, rule: str) -> None:
    with core_bench(tmp_path, options(rule, without=True), sets=SETS) as bench:
        with pytest.raises((AssertionError, Timeout)):
            CHECKS[rule](bench)
        assert bench.core.failures() == []
