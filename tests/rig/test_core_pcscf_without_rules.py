"""The P-CSCF's half of a rule taken out: it is there, and something would notice."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from calls import call
from core_bench import core_bench
from test_core_pcscf import OPTIONS, QUIET_S


def test_without_standing_bindings_old_associations_go_though_a_session_is_on_them(tmp_path: Path) -> None:
    """C1-062198 2.1: with it the P-CSCF deletes none, as the S-CSCF lets the session linger."""
    options = dataclasses.replace(OPTIONS, linger_s=60, without=frozenset({"standing-bindings"}))
    with core_bench(tmp_path, options, "same-pcscf") as bench:
        phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
        first = bench.registered(phone, "lte")
        call(first, far)
        second = bench.registered(phone, "wifi")
        bench.wait_for_the_end(first, QUIET_S)
        assert len(bench.state.sessions) == 1 and bench.associations(second) == 4
        first.service_route = []
