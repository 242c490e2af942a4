"""What the evidence says, in sentences: the bench before the measurement, the measurement before the product."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_call import P_WIFI, WIFI, Call, Moments, sip
from test_handoff import NEVER, ends, measure

from testbed.measure.capture import CaptureStats
from testbed.measure.expected import Expectations
from testbed.measure.handoff import End, HandoffFigures
from testbed.measure.media import DirectionFigures, Gap, Losses
from testbed.measure.pcapng_writer import udp_packet
from testbed.measure.verdict import (
    Finding,
    capture_findings,
    clock_findings,
    conclude,
    handoff_findings,
    marker_findings,
    security_findings,
)
from testbed.measure.words import Direction, Verdict

EXPECT = Expectations()
RIG, INVALID, FAILED = (
    Finding(kind, f"a sentence of {kind}") for kind in (Verdict.RIG_ERROR, Verdict.INVALID, Verdict.FAILED)
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[End, End, HandoffFigures]:
    folder = tmp_path_factory.mktemp("good")
    return (*ends(folder, Call()), measure(folder, Call()))


def sentences(found: list[Finding]) -> list[str]:
    return [f"{finding.verdict}: {finding.sentence}" for finding in found]


def test_nothing_found_is_passed() -> None:
    assert conclude([]) == (Verdict.PASSED, [])


@pytest.mark.parametrize("order", list(itertools.permutations([RIG, INVALID, FAILED])))
def test_the_bench_speaks_first_then_the_measurement_then_the_product(order: tuple[Finding, ...]) -> None:
    assert conclude(order)[0] == Verdict.RIG_ERROR
    assert conclude([one for one in order if one is not RIG])[0] == Verdict.INVALID
    assert conclude([FAILED])[0] == Verdict.FAILED


def test_the_reasons_begin_with_what_decided_and_say_of_the_others_what_they_are() -> None:
    assert conclude([FAILED, INVALID, FAILED]) == (
        Verdict.INVALID,
        ["a sentence of invalid", "(failed) a sentence of failed"],
    )


def test_a_good_handoff_leaves_nothing_to_say(good: tuple[End, End, HandoffFigures]) -> None:
    ue, far, handoff = good
    both = {"ue": ue, "far": far}
    found = capture_findings({name: CaptureStats(9, 0) for name in both}, both)
    found += clock_findings(0.2, {"ue": 0.5}, both, EXPECT) + marker_findings(ue, 1, EXPECT)
    found += security_findings(both, EXPECT, decrypted=True) + handoff_findings(handoff, EXPECT)
    assert found == []


def test_a_capture_that_lost_packets_is_not_to_be_trusted(good: tuple[End, End, HandoffFigures]) -> None:
    (found,) = capture_findings({"ue": CaptureStats(9, 3)}, {"ue": good[0]})
    assert found == Finding(Verdict.INVALID, "the capture at ue lost 3 packets: its gaps may be its own")


def test_a_capture_that_ends_in_the_middle_of_a_packet_is_told(good: tuple[End, End, HandoffFigures]) -> None:
    cut = replace(good[0], packets=replace(good[0].packets, blocks=replace(good[0].packets.blocks, truncated=True)))
    assert "middle of a packet" in capture_findings({}, {"ue": cut})[0].sentence


@pytest.mark.parametrize(("step", "late", "said"), [
    (1.5, 0.1, "the clock stepped by 1.5 ms"), (-40, 0.1, "the clock stepped by 40.0 ms"),
    (0, 12.0, "the media sender at ue was late by 12.0 ms"), (0.9, 9.9, ""),
])  # fmt: skip
def test_time_that_did_not_go_on_evenly_makes_a_run_invalid(step: float, late: float, said: str) -> None:
    found = clock_findings(step, {"ue": late}, {"ue": None}, EXPECT)
    assert [finding.verdict for finding in found] == [Verdict.INVALID] * bool(said)
    assert said in "".join(finding.sentence for finding in found)


def test_missing_markers_are_named(good: tuple[End, End, HandoffFigures]) -> None:
    assert sentences(marker_findings(good[0], 2, replace(EXPECT, required_markers=("trigger", "linger-expired")))) == [
        "invalid: 1 of 2 `trigger` markers were captured: there is nothing to measure",
        "invalid: no `linger-expired` marker was captured",
    ]


def test_sip_outside_esp_is_the_products_failure(tmp_path: Path) -> None:
    ue, _ = ends(tmp_path, Call(extra_ue=((80.0, udp_packet(WIFI, 5060, P_WIFI, 5060, sip("INVITE", 3)), True),)))
    assert sentences(security_findings({"ue": ue}, EXPECT, decrypted=True)) == [
        "failed: 1 SIP messages at ue went outside ESP, the first of them INVITE"
    ]
    assert security_findings({"ue": ue}, replace(EXPECT, protected=False), decrypted=True) == []


def test_a_200_to_a_register_outside_esp_is_one_too_many(tmp_path: Path) -> None:
    ue, _ = ends(
        tmp_path, Call(extra_ue=((80.0, udp_packet(P_WIFI, 5060, WIFI, 5060, sip("REGISTER", 3, 200)), False),))
    )
    assert len(security_findings({"ue": ue}, EXPECT, decrypted=True)) == 1


def test_a_wrong_integrity_check_value_is_the_products_failure(tmp_path: Path) -> None:
    sa = Call().sas()[0]
    bad = sa.seal(17, udp_packet(WIFI, 6101, P_WIFI, 6102, sip("OPTIONS", 3))[20:], 9, damaged=True)
    ue, _ = ends(tmp_path, Call(extra_ue=((80.0, bad, True),)))
    assert (
        "1 SIP messages at ue bore a wrong integrity check value"
        in security_findings({"ue": ue}, EXPECT, decrypted=True)[0].sentence
    )


@pytest.mark.parametrize(("challenge", "told"), [
    ('Digest realm="x", nonce="abc", ck="0011", ik="22"', True), ('Digest nonce="ck=1", algorithm=AKAv1-MD5', False),
])  # fmt: skip
def test_keys_in_a_challenge_to_the_ue_are_the_products_failure(tmp_path: Path, challenge: str, told: bool) -> None:
    text = sip("REGISTER", 3, 401, more=f"WWW-Authenticate: {challenge}\r\n")
    ue, _ = ends(tmp_path, Call(extra_ue=((80.0, udp_packet(P_WIFI, 5060, WIFI, 5060, text), False),)))
    found = security_findings({"ue": ue}, EXPECT, decrypted=True)
    assert sentences(found) == ["failed: a 401 at ue carried CK or IK, which a P-CSCF must keep"] * told


def test_what_never_came_says_what_it_waited_for_and_whose_fault_it_is(tmp_path: Path) -> None:
    found = sentences(handoff_findings(measure(tmp_path, Call(moments=replace(NEVER, detected=1.0))), EXPECT))
    assert found == [
        "failed: uplink media never came back",
        "failed: downlink media never came back",
        "invalid: no `access-up` marker was captured",
        "failed: no 200 to a protected REGISTER came over the new access",
        "failed: no 200 to an INVITE came over the new access",
        "failed: media never flowed both ways over the new access",
    ]


def test_a_call_that_must_not_be_lost_and_one_that_must(good: tuple[End, End, HandoffFigures], tmp_path: Path) -> None:
    expect = Expectations(call_survives=False)
    assert "no `call-lost` was seen" in handoff_findings(good[2], expect)[0].sentence
    from testbed.measure.words import Procedure

    redialled = measure(tmp_path, Call(procedure=Procedure.RELEASE7, ssrc_after=3))
    assert handoff_findings(redialled, expect) == []
    assert sentences(handoff_findings(redialled, EXPECT)) == ["failed: the call was lost"]


def test_a_handoff_that_the_ue_gave_up_says_why(good: tuple[End, End, HandoffFigures]) -> None:
    handoff = good[2]
    given_up = replace(handoff.markers[0], event="handoff-failed", detail={"why": "no answer from 10.9.0.2"})
    found = handoff_findings(replace(handoff, markers=(*handoff.markers, given_up)), EXPECT)
    assert sentences(found) == ["failed: the UE gave the handoff up: no answer from 10.9.0.2"]


@pytest.mark.parametrize(
    ("detected", "tolerance", "failed"), [(201, 5, False), (206, 5, True), (190, 5, True), (999, None, False)]
)
def test_a_blackhole_must_be_noticed_in_the_stated_time(
    tmp_path: Path, detected: float, tolerance: float | None, failed: bool
) -> None:
    times = [None if each is None else each + 1000 for each in vars(Moments()).values()]
    handoff = measure(tmp_path, Call(moments=replace(Moments(*times), detected=detected), end=3000))
    handoff = replace(handoff, plan=replace(handoff.plan, detection_ms=200))
    found = handoff_findings(handoff, replace(EXPECT, detection_tolerance_ms=tolerance))
    assert bool(found) == failed


def direction_of(handoff: HandoffFigures, interruption_ms: float | None, lost: int) -> HandoffFigures:
    gap = None if interruption_ms is None else Gap(0, round((interruption_ms + 20) * 1e6), resumed=True)
    figures = DirectionFigures(gap, 20.0, 0.1, Losses(sent_not_received=lost), None)
    return replace(handoff, media={**handoff.media, Direction.UPLINK: figures})


@pytest.mark.parametrize(("value", "lost", "expect", "said"), [
    (None, 0, {}, "there was no uplink media before the trigger"),
    (130.0, 0, {"max_over_floor": 1.5}, "uplink interruption is 1.57 times its floor, more than 1.5"),
    (124.0, 0, {"max_over_floor": 1.5}, ""),
    (130.0, 0, {"max_interruption_ms": 100}, "uplink was interrupted for 130.0 ms, more than 100 ms"),
    (0.0, 1, {"max_lost": 0}, "1 uplink packets were lost, 0 are allowed"),
    (0.0, 9, {}, ""),
])  # fmt: skip
def test_the_scenarios_limits_are_held_against_each_direction(
    good: tuple[End, End, HandoffFigures], value: float | None, lost: int, expect: dict[str, float], said: str
) -> None:
    handoff = direction_of(good[2], value, lost)
    expectations = replace(EXPECT, **expect)  # type: ignore[arg-type]
    found = [finding.sentence for finding in handoff_findings(handoff, expectations) if "uplink" in finding.sentence]
    assert found == ([said] if said else [])
