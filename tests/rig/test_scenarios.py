"""Whole runs on the real chain, and their evidence read by tshark.

What is judged here is what happened, not how fast: whether a machine is too busy for its figures to count is for the
run's own verdict, and the limits for that are taken off.
"""

from __future__ import annotations

import asyncio
import csv
import itertools
import os
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from living import TOPOLOGIES

from testbed.measure.words import Verdict
from testbed.results.folder import RunFolder
from testbed.results.model import Handoff, Result
from testbed.scenario.catalogue import find
from testbed.scenario.runner import RunOptions, run_scenario

UNTIMED = {"max_lateness_p99_ms": 10_000.0, "max_over_floor": None}
TSHARK = ("-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE")


@dataclass
class Done:
    """A run that was made, and its folder."""

    result: Result
    folder: RunFolder

    @property
    def handoff(self) -> Handoff:
        return self.result.handoffs[0]

    def tshark(self, end: str, display: str, *fields: str, keys: bool = True) -> list[list[str]]:
        """The fields of the packets that a display filter shows."""
        command = ["tshark", "-n", "-r", str(self.folder.capture(end)), *TSHARK, "-Y", display, "-T", "fields"]
        command += ["-E", "separator=\t", *(part for field in fields for part in ("-e", field))]
        home = {"WIRESHARK_CONFIG_DIR": str(self.folder.captures if keys else self.folder.logs)}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **home})
        return list(csv.reader(done.stdout.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))


def carry_out(folder: Path, name: str, topology: str = "two-access", keys: bool = True, **options: Any) -> Done:
    scenario = find(name)
    expect = {**scenario.as_data()["expect"], **UNTIMED}
    scenario = scenario.with_options(settle_s=1.0, tail_s=1.0, expect=expect, **options)
    runs = RunFolder.create(folder / "runs", name)
    choices = RunOptions(rig="run", state=folder / "state", keep_keys=keys)
    result = asyncio.run(run_scenario(scenario, TOPOLOGIES / f"{topology}.yaml", runs, choices, lambda _: None))
    return Done(result, runs)


VARIANTS = [
    {"transport": "udp", "ealg": "null", "ip": 4},
    {"transport": "tcp", "ealg": "aes-cbc", "ip": 4},
    {"transport": "udp", "ealg": "aes-cbc", "ip": 6},
    {"transport": "tcp", "ealg": "null", "ip": 6},
]


ENCRYPTED = [variant for variant in VARIANTS if variant["ealg"] != "null"]


def called(variant: dict[str, Any]) -> str:
    return f"{variant['transport']}-{variant['ealg']}-{variant['ip']}"


@pytest.fixture(scope="module", params=VARIANTS, ids=called)
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Done:
    return carry_out(tmp_path_factory.mktemp("run"), "global-reregistration", **request.param)


def test_the_call_survives_and_everything_moves(done: Done) -> None:
    assert done.result.verdict == Verdict.PASSED, done.result.reasons
    states = {connection.access: connection for connection in done.result.connections}
    assert states["wifi"].state == "active" and len(states["wifi"].bindings) == 3
    assert states["lte"].state == "ended" and not states["lte"].bindings
    measured = done.handoff.interruption_ms
    assert measured.uplink.resumed and measured.downlink.resumed


def test_the_phases_sum_to_the_whole(done: Done) -> None:
    phases = done.handoff.phases_ms.values()
    assert None not in phases
    assert sum(phase or 0 for phase in phases) == pytest.approx(done.handoff.handoff_ms, abs=0.01)


def test_every_millisecond_above_the_floor_has_a_name(done: Done) -> None:
    for direction in ("uplink", "downlink"):
        shares = sum(share.ms for share in done.handoff.above_floor if direction in share.directions)
        value = getattr(done.handoff.interruption_ms, direction).value
        assert shares == pytest.approx(value - getattr(done.handoff.floor_ms, direction), abs=0.1)


def test_tshark_reads_the_global_reregistration_and_the_reinvite_inside_esp(done: Done) -> None:
    inside = done.tshark("ue", "esp && sip", "esp.icv_good", "esp.icv_bad", "sip.Method", "sip.To", "sip.CSeq")
    assert inside and {good for good, *_ in inside} == {"1"}
    assert any(method == "REGISTER" and "imsglobreg" in to for _, _, method, to, _ in inside)
    invites = [cseq for _, _, method, _, cseq in inside if method == "INVITE"]
    assert len(invites) >= 2  # the call, and the re-INVITE


def test_nothing_but_the_first_register_and_its_401_is_outside_esp(done: Done) -> None:
    outside = done.tshark("ue", "sip && !esp", "sip.Method", "sip.Status-Code", "sip.CSeq")
    assert len(outside) >= 4  # of both connections
    assert {(method, status) for method, status, _ in outside} == {("REGISTER", ""), ("", "401")}


@pytest.mark.parametrize("done", ENCRYPTED, ids=called, indirect=True)
def test_without_the_sidecar_no_sip_of_an_encrypted_run_can_be_read(done: Done) -> None:
    assert done.tshark("ue", "sip && esp", "sip.Method") != []
    assert done.tshark("ue", "sip && esp", "sip.Method", keys=False) == []


def test_the_gap_that_tshark_shows_is_the_results(done: Done) -> None:
    triggers = done.tshark("ue", 'udp.dstport == 9 && frame contains "trigger"', "frame.time_epoch")
    trigger = min(float(time) for (time,) in triggers)
    for direction, end in (("uplink", "far"), ("downlink", "ue")):
        # G.711 of 20 ms: 160 octets, RTP's and UDP's headers; what the kernel marks as sent to us
        rows = done.tshark(end, "udp.length == 180 && sll.pkttype == 0", "frame.time_epoch")
        times = sorted(float(time) for (time,) in rows)
        gaps = [after - before for before, after in itertools.pairwise(times) if after > trigger]
        assert max(gaps) * 1000 == pytest.approx(getattr(done.handoff.interruption_ms, direction).gap, abs=1.0)


def test_the_sidecar_is_for_its_owner_and_says_what_it_is(done: Done) -> None:
    assert stat.S_IMODE(done.folder.esp_sa.stat().st_mode) == 0o600
    assert done.folder.esp_sa.read_text().startswith("# SECRET")


def test_no_key_is_in_any_other_file_of_the_run(done: Done) -> None:
    rows = [row for row in csv.reader(done.folder.esp_sa.read_text().splitlines()) if len(row) == 8]
    keys = {row[column].removeprefix("0x").lower() for row in rows for column in (5, 7)} - {""}
    assert keys
    texts = [path for path in done.folder.path.rglob("*") if path.is_file() and path != done.folder.esp_sa]
    for path in texts:
        content = path.read_bytes().lower()
        for key in keys:
            short = key[:32].encode()  # of an SHA-1 key, what is IK
            assert short not in content and bytes.fromhex(key[:32]) not in content, path


def test_a_black_hole_is_noticed_after_the_stated_silence(tmp_path: Path) -> None:
    done = carry_out(tmp_path, "global-reregistration", trigger="blackhole", silence_ms=300.0)
    assert done.result.verdict == Verdict.PASSED, done.result.reasons
    assert done.handoff.detection_ms == 300.0


def test_make_before_break_loses_no_packet(tmp_path: Path) -> None:
    done = carry_out(tmp_path, "global-reregistration", make_before_break=True)
    assert done.result.verdict == Verdict.PASSED, done.result.reasons
    assert (done.handoff.lost.uplink, done.handoff.lost.downlink) == (0, 0)


def test_a_session_moves_by_replaces(tmp_path: Path) -> None:
    done = carry_out(tmp_path, "replaces")
    assert done.result.verdict == Verdict.PASSED, done.result.reasons
    assert done.tshark("ue", "sip.Replaces", "sip.Method")


def test_release_7_loses_the_call_and_dials_again(tmp_path: Path) -> None:
    done = carry_out(tmp_path, "release7")
    assert done.result.verdict == Verdict.PASSED, done.result.reasons
    assert "call-lost" in (done.folder.path / "timeline.jsonl").read_text()


def test_both_accesses_may_lead_to_the_same_pcscf(tmp_path: Path) -> None:
    done = carry_out(tmp_path, "global-reregistration", topology="same-pcscf")
    assert done.result.verdict == Verdict.PASSED, done.result.reasons
    assert len({connection.pcscf for connection in done.result.connections}) == 1


def test_a_run_can_leave_no_keys(tmp_path: Path) -> None:
    done = carry_out(tmp_path, "global-reregistration", keys=False, ealg="aes-cbc")
    assert not done.folder.esp_sa.exists()
    assert done.result.handoffs and done.handoff.interruption_ms.uplink.resumed
