"""From folders, good and broken, to verdicts: nothing that a capture holds or lacks is an exception."""

from __future__ import annotations

import html
import itertools
import json
import os
import random
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic_call import P_WIFI, WIFI, Call, Moments, Tape, sip

from testbed.errors import RigError, UsageError
from testbed.measure.capture import CaptureStats
from testbed.measure.expected import Expectations
from testbed.measure.pcapng_writer import udp_packet
from testbed.measure.words import Procedure, Verdict
from testbed.results.analyse import analyse, artifacts, read_context
from testbed.results.context import RunContext
from testbed.results.folder import RunFolder
from testbed.results.model import Result

NOTHING = Moments(*[None] * 11)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "runs", "global-reregistration")


def run(folder: RunFolder, call: Call | None = None, **changes: object) -> Result:
    call = call or Call()
    call.write(folder)
    return analyse(folder, call.context(**changes))


def test_a_good_run_passes_and_leaves_its_files(folder: RunFolder) -> None:
    result = run(folder)
    assert (result.verdict, result.reasons, result.exit_code) == (Verdict.PASSED, [], 0)
    assert {"result.json", "timeline.jsonl", "report.html", "context.json"} <= {p.name for p in folder.path.iterdir()}
    assert folder.read_result() == result


def test_the_record_has_designs_keys(folder: RunFolder) -> None:
    run(folder)
    record = json.loads((folder.path / "result.json").read_text())
    assert {
        "schema", "id", "scenario", "topology", "kernel", "started", "ended", "verdict", "reasons", "handoffs",
        "connections", "sender_lateness_ms", "capture_drops", "artifacts",
    } <= set(record)  # fmt: skip
    assert (record["schema"], record["id"], record["kernel"]["clock"]) == (1, folder.id, "real")
    (handoff,) = record["handoffs"]
    assert (handoff["trigger"], handoff["from"], handoff["to"]) == ("carrier-loss", "lte", "wifi")
    assert handoff["procedure"] == "global-reregistration"
    assert handoff["interruption_ms"]["uplink"] == {"value": 105.0, "uncertainty": 8.165, "gap": 125.0, "resumed": True}
    assert handoff["lost"] == {"uplink": 6, "downlink": 7}
    assert list(handoff["phases_ms"]) == ["detect", "access", "register", "session", "media"]
    assert sum(handoff["phases_ms"].values()) == handoff["handoff_ms"]
    assert handoff["floor_ms"] == {"uplink": 83.0, "downlink": 96.0}
    assert handoff["over_floor"] == {"uplink": 1.265, "downlink": 1.302}
    assert record["connections"][1] == {
        "access": "wifi", "pcscf": "10.9.0.2", "state": "active", "bindings": ["sip:ue@home.example"],
        "spi": [4000, 4001],
    }  # fmt: skip
    assert record["sender_lateness_ms"]["p99"] == 0.3
    assert record["capture_drops"] == 0


def test_the_shares_above_the_floor_sum_to_what_is_above_it(folder: RunFolder) -> None:
    (handoff,) = run(folder).handoffs
    for way in ("uplink", "downlink"):
        above = sum(share.ms for share in handoff.above_floor if way in share.directions)
        assert above == pytest.approx(getattr(handoff.interruption_ms, way).value - getattr(handoff.floor_ms, way))


def test_the_outage_is_the_interruption_without_the_packet_grid(folder: RunFolder) -> None:
    (handoff,) = run(folder).handoffs
    assert handoff.outage_ms is not None and handoff.outage_over_floor is not None
    assert (handoff.outage_ms.uplink, handoff.outage_ms.downlink) == (105.5, 117.0)
    assert (handoff.outage_over_floor.uplink, handoff.outage_over_floor.downlink) == (1.271, 1.219)


def test_what_lies_above_the_floor_stands_in_the_timeline_when_it_was_over(folder: RunFolder) -> None:
    run(folder)
    events = [json.loads(line) for line in (folder.path / "timeline.jsonl").read_text().splitlines()]
    over = {event["detail"]["what"]: event["t_ms"] for event in events if event["event"] == "above-floor"}
    answered = [event["t_ms"] for event in events if event["event"] == "sip" and event["detail"]["status"] == 401]
    assert over["REGISTER → 401"] == answered[0]
    assert over["noticing that the access is gone"] < over["REGISTER → 401"] < over["INVITE on its way to the far end"]


def test_artifacts_name_files_that_are_there(folder: RunFolder) -> None:
    (folder.logs / "pcscf-wifi.log").write_text("ready")
    result = run(folder)
    assert all((folder.path / path).is_file() for path in result.artifacts.values())
    assert result.artifacts["capture_ue"] == "captures/ue.pcapng"
    assert result.artifacts["logs/pcscf-wifi.log"] == "logs/pcscf-wifi.log"
    assert artifacts(folder) == result.artifacts


def test_the_gap_is_the_one_that_tshark_measures(folder: RunFolder) -> None:
    (handoff,) = run(folder).handoffs
    for end, way, host in (("far", "uplink", "10.3.0.2"), ("ue", "downlink", "10.1.0.2||ip.dst==10.2.0.2")):
        command = ["tshark", "-n", "-r", str(folder.capture(end)), "-Y", f"udp.dstport==40000&&(ip.dst=={host})"]
        said = subprocess.run([*command, "-T", "fields", "-e", "frame.time_epoch"], check=True, capture_output=True)
        times = [int(line.replace(b".", b"")) for line in said.stdout.split()]
        gap = max(later - earlier for earlier, later in itertools.pairwise(times)) / 1e6
        assert getattr(handoff.interruption_ms, way).gap == pytest.approx(gap, abs=0.01)


def test_the_reports_own_command_shows_the_protected_sip_with_good_check_values(folder: RunFolder) -> None:
    run(folder)
    page = html.unescape((folder.path / "report.html").read_text())
    variable, *command = re.findall(r"<code>(WIRESHARK_CONFIG_DIR=.*?)</code>", page)[0].split()
    command += ["-n", "-T", "fields", "-e", "sip.CSeq.method", "-e", "sip.Status-Code", "-e", "esp.icv_good"]
    environment = {**os.environ, variable.split("=")[0]: variable.split("=")[1]}
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder.path, env=environment)
    assert [line.split("\t") for line in done.stdout.splitlines()] == [
        ["REGISTER", "", ""], ["REGISTER", "401", ""], ["REGISTER", "", "1"], ["REGISTER", "200", "1"],
        ["INVITE", "", "1"], ["INVITE", "200", "1"], ["ACK", "", "1"],
    ]  # fmt: skip


def test_a_run_can_be_analysed_again_from_its_folder_with_the_same_result(folder: RunFolder) -> None:
    first = run(folder, expectations=Expectations(max_over_floor=1.1), notes=("a stand-in database",))
    assert first.verdict == Verdict.FAILED
    assert analyse(folder, read_context(folder)) == first


def test_a_context_comes_back_from_its_file_as_it_was(folder: RunFolder) -> None:
    context = replace(
        Call().context(), failures=("it broke",), clock_step_ms=0.25, expectations=Expectations(max_lost=0)
    )
    analyse(folder, context)
    assert read_context(folder) == context


@pytest.mark.parametrize(
    ("text", "said"), [(None, "No such file"), ("{", "JSON"), ('{"scenario": 5}', "scenario|topology")]
)
def test_a_folder_without_a_context_is_a_sentence(folder: RunFolder, text: str | None, said: str) -> None:
    if text is not None:
        (folder.path / "context.json").write_text(text)
    with pytest.raises(UsageError, match=said):
        read_context(folder)


def test_release_7_loses_the_call_and_passes_because_that_was_expected(folder: RunFolder) -> None:
    moments = Moments(1, 4, 5, 29, 34, 60, 800, 830, 831, 860, 861)
    result = run(folder, Call(procedure=Procedure.RELEASE7, moments=moments, ssrc_after=7))
    assert result.verdict == Verdict.PASSED
    assert result.handoffs[0].lost.uplink == 43


def test_drops_are_added_up_and_make_the_run_invalid(folder: RunFolder) -> None:
    result = run(folder, capture_stats={"ue": CaptureStats(900, 2), "far": CaptureStats(900, 3)})
    assert (result.verdict, result.exit_code, result.capture_drops) == (Verdict.INVALID, 4, 5)


def test_without_the_captures_statistics_the_files_own_word_counts(folder: RunFolder) -> None:
    assert run(folder, capture_stats={}).capture_drops == 0
    folder.capture("far").unlink()
    assert analyse(folder, Call().context(capture_stats={})).capture_drops is None


@pytest.mark.parametrize("end", ["ue", "far"])
@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "truncated", "header only", "folder"])
def test_a_broken_capture_makes_the_run_invalid_and_keeps_what_is_left(
    folder: RunFolder, end: str, damage: str
) -> None:
    Call().write(folder)
    path = folder.capture(end)
    whole = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        text = {
            "empty": b"",
            "garbage": b"\x00\xff" * 400,
            "truncated": whole[: len(whole) - 9],
            "header only": whole[:100],
        }
        path.write_bytes(text[damage])
    result = analyse(folder, Call().context())
    assert result.verdict == Verdict.INVALID
    assert any(end in reason for reason in result.reasons) or damage == "header only"
    assert folder.read_result() == result
    if end == "far" and damage != "truncated":
        assert result.handoffs[0].interruption_ms.downlink.value == 125.0
        assert result.handoffs[0].interruption_ms.uplink.value is None


def test_nothing_at_all_in_the_folder_is_a_verdict_too(folder: RunFolder) -> None:
    folder.captures.rmdir()
    folder.logs.rmdir()
    assert analyse(folder, Call().context()).verdict == Verdict.INVALID


def test_a_bench_that_failed_before_anything_was_captured_says_only_why(folder: RunFolder) -> None:
    result = analyse(folder, Call().context(rig_errors=("Kamailio ended: port 5060 is in use",), capture_stats={}))
    assert (result.verdict, result.exit_code) == (Verdict.RIG_ERROR, 3)
    assert result.reasons == ["Kamailio ended: port 5060 is in use"]


def test_a_registration_that_was_refused_is_the_products_failure_not_a_lack_of_markers(folder: RunFolder) -> None:
    call = Call(moments=NOTHING, markers=False)
    result = run(folder, call, failures=("REGISTER was answered 403 Forbidden",))
    assert (result.verdict, result.exit_code) == (Verdict.FAILED, 1)
    assert result.reasons == ["REGISTER was answered 403 Forbidden"]


def test_no_markers_is_nothing_to_measure(folder: RunFolder) -> None:
    result = run(folder, Call(markers=False))
    assert result.verdict == Verdict.INVALID
    assert "0 of 1 `trigger` markers" in result.reasons[0]


def test_a_call_that_never_came_back_is_failed_with_all_it_lacked(folder: RunFolder) -> None:
    result = run(folder, Call(moments=replace(NOTHING, detected=1.0, access_up=2.0)))
    assert result.verdict == Verdict.FAILED
    assert not result.handoffs[0].interruption_ms.uplink.resumed
    assert result.handoffs[0].handoff_ms is None


def test_keys_that_cannot_be_read_leave_the_markers(folder: RunFolder) -> None:
    Call().write(folder)
    folder.esp_sa.write_text("nonsense\n")
    result = analyse(folder, Call().context())
    assert result.verdict == Verdict.INVALID
    assert "esp_sa:1" in result.reasons[0]
    assert result.handoffs[0].phases_ms["session"] == 60.5  # type: ignore[index]


def test_without_keys_the_run_still_passes(folder: RunFolder) -> None:
    Call().write(folder)
    folder.esp_sa.unlink()
    assert analyse(folder, Call().context()).verdict == Verdict.PASSED


def test_a_capture_at_a_server_is_used_and_a_broken_one_passed_over(folder: RunFolder) -> None:
    tape = Tape()
    for ms, source, destination, status, outgoing in (
        (15.1, WIFI, P_WIFI, None, False), (15.6, P_WIFI, "10.9.0.4", None, True),
        (18.0, "10.9.0.4", P_WIFI, 401, False), (18.4, P_WIFI, WIFI, 401, True),
    ):  # fmt: skip
        tape.add(ms, udp_packet(source, 5060, destination, 5060, sip("REGISTER", 1, status)), outgoing=outgoing)
    tape.write(folder.capture("pcscf-wifi"))
    folder.capture("scscf").write_bytes(b"broken")
    (handoff,) = run(folder).handoffs
    assert [(share.whose, share.ms) for share in handoff.above_floor if share.what.endswith("held")] == [
        ("pcscf-wifi", 0.9)
    ]


def test_a_fault_of_the_analysis_itself_is_told_and_kept(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by our own fault")

    monkeypatch.setattr("testbed.results.reading.read_run", broken)
    result = run(folder, failures=("and this had happened before",))
    assert result.verdict == Verdict.INVALID
    assert result.reasons == [
        "the analysis itself failed; see logs/analysis.log",
        "(failed) and this had happened before",
    ]
    assert "by our own fault" in (folder.logs / "analysis.log").read_text()
    assert folder.capture("ue").exists()


def test_a_folder_that_cannot_be_written_is_a_sentence(folder: RunFolder) -> None:
    context = Call().write(folder)
    (folder.path / "report.html").mkdir()
    (folder.path / "report.html" / "in-the-way").write_text("")
    with pytest.raises(RigError, match="cannot be written"):
        analyse(folder, context)


def broken_context(context: RunContext, chance: random.Random) -> RunContext:
    """What the runner might say when half of it never happened."""
    return replace(
        context,
        ue_addresses=chance.choice([{}, context.ue_addresses, {"wifi": (WIFI,)}]),
        far_addresses=chance.choice([(), context.far_addresses]),
        handoffs=chance.choice([(), context.handoffs, context.handoffs * 2]),
        lateness_ms=chance.choice([{}, context.lateness_ms]),
        capture_stats=chance.choice([{}, context.capture_stats]),
        pcscf_addresses=chance.choice([{}, context.pcscf_addresses]),
    )


@given(seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_folder_holds_there_is_a_result_and_no_fault_of_the_analysis(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    folder = RunFolder.create(tmp_path, "broken")
    context = broken_context(Call(end=600.0).write(folder), chance)
    for path in (*folder.captures.glob("*.pcapng"), folder.esp_sa):
        data = bytearray(path.read_bytes())
        for _ in range(chance.choice([0, 0, 1, 30, 400])):
            at = chance.randrange(len(data))
            data[at] = chance.randrange(256)
        path.write_bytes(data[: chance.choice([len(data), len(data), chance.randrange(len(data))])])
    result = analyse(folder, context)
    assert folder.read_result() == result
    assert not (folder.logs / "analysis.log").exists(), (folder.logs / "analysis.log").read_text()
