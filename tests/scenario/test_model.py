"""Scenarios: what ships, what options change, what does not fit together, and the way to a file and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.errors import UsageError
from testbed.measure.words import Procedure, TriggerKind
from testbed.scenario.catalogue import FOLDER, catalogue, find
from testbed.scenario.catalogue import loads as any_loads
from testbed.scenario.model import Scenario, loads
from testbed.scenario.triggers import possible
from testbed.topology import load as topologies
from testbed.topology.planning import make_plan

PLANS = {name: make_plan(topologies.load(path)) for name, path in topologies.shipped().items()}
PLAN = make_plan(topologies.load(topologies.SHIPPED / "two-access.yaml"))
SCENARIOS = catalogue()
SHORT = {name: scenario for name, scenario in SCENARIOS.items() if isinstance(scenario, Scenario)}
GLOBAL, REPLACES, RELEASE7 = (SHORT[name] for name in ("global-reregistration", "replaces", "release7"))


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_what_ships_is_called_like_its_file_and_fits_its_topology(name: str) -> None:
    scenario = SCENARIOS[name]
    assert scenario.name == name
    scenario.fit(PLANS[scenario.topology])


@pytest.mark.parametrize("name", sorted(SHORT))
def test_the_short_form_fits_every_topology_that_ships(name: str) -> None:
    for plan in PLANS.values():
        scenario = SHORT[name]
        trigger = possible(plan.accesses[scenario.old_access(plan)])[0]  # a real modem loses no carrier on command
        scenario.with_options(trigger=trigger.value).fit(plan)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_a_scenario_is_the_same_after_being_written_and_read(name: str) -> None:
    assert any_loads(SCENARIOS[name].to_yaml()) == SCENARIOS[name]


@pytest.mark.parametrize(
    ("scenario", "procedure", "profile", "move"),
    [
        (GLOBAL, Procedure.GLOBAL_REREGISTRATION, "seamless", "re-invite"),
        (REPLACES, Procedure.REPLACES, "seamless", "replaces"),
        (RELEASE7, Procedure.RELEASE7, "release7", "redial"),
    ],
    ids=lambda value: value.name if isinstance(value, Scenario) else None,
)
def test_each_does_what_its_name_says(scenario: Scenario, procedure: Procedure, profile: str, move: str) -> None:
    assert (scenario.procedure, scenario.profile, scenario.move) == (procedure, profile, move)
    assert scenario.trigger is TriggerKind.CARRIER_LOSS and not scenario.make_before_break


def test_the_defaults_are_those_that_the_issue_states() -> None:
    assert (GLOBAL.silence_ms, GLOBAL.settle_s, GLOBAL.tail_s) == (200, 3.5, 2)
    assert (GLOBAL.transport, GLOBAL.ip, GLOBAL.ealg, GLOBAL.alg) == ("udp", 4, "null", "hmac-sha-1-96")
    assert GLOBAL.seed is None


# Expectations


def test_the_call_survives_but_for_release7() -> None:
    assert GLOBAL.expectations().call_survives and REPLACES.expectations().call_survives
    assert not RELEASE7.expectations().call_survives


def test_make_before_break_expects_no_packet_lost() -> None:
    assert GLOBAL.expectations().max_lost is None
    assert GLOBAL.with_options(make_before_break=True).expectations().max_lost == 0


def test_a_black_hole_must_be_noticed_when_the_ue_says_so() -> None:
    assert GLOBAL.expectations().detection_tolerance_ms is None
    assert GLOBAL.with_options(trigger="blackhole").expectations().detection_tolerance_ms == 30
    both = GLOBAL.with_options(trigger="blackhole", make_before_break=True)
    assert both.expectations().detection_tolerance_ms is None  # the session is gone before: nothing to notice


def test_a_file_may_expect_more() -> None:
    text = GLOBAL.to_yaml().replace("max_over_floor: 15", "max_interruption_ms: 300\n  required_markers: [notify]")
    expected = loads(text).expectations()
    assert (expected.max_over_floor, expected.max_interruption_ms) == (None, 300)
    assert expected.required_markers == ("notify",) and expected.call_survives


# Options


def test_options_that_were_not_given_change_nothing() -> None:
    assert GLOBAL.with_options(trigger=None, ip=None, make_before_break=False, move=None) == GLOBAL
    assert GLOBAL.with_options() == GLOBAL


def test_options_change_fields_of_the_same_name() -> None:
    changed = GLOBAL.with_options(
        trigger="blackhole", transport="tcp", ip=6, ealg="aes-cbc", alg="hmac-md5-96", silence_ms=400, seed=7, tail_s=3
    )
    assert changed.trigger is TriggerKind.BLACKHOLE and changed.silence_ms == 400 and changed.seed == 7
    assert (changed.transport, changed.ip, changed.ealg, changed.alg) == ("tcp", 6, "aes-cbc", "hmac-md5-96")
    assert changed.tail_s == 3 and changed.settle_s == GLOBAL.settle_s and changed.expect == GLOBAL.expect
    assert changed.with_options(ealg="null").ealg == "null"


def test_make_before_break_changes_the_procedure_and_keeps_how_the_session_moves() -> None:
    assert GLOBAL.with_options(make_before_break=True).procedure is Procedure.MAKE_BEFORE_BREAK
    by_replaces = REPLACES.with_options(make_before_break=True)
    assert by_replaces.make_before_break and by_replaces.move == "replaces"
    assert by_replaces.with_options(make_before_break=True, transport="tcp").make_before_break


def test_how_the_session_moves_is_part_of_the_procedure() -> None:
    assert GLOBAL.with_options(move="replaces").procedure is Procedure.REPLACES
    assert REPLACES.with_options(move="re-invite").procedure is Procedure.GLOBAL_REREGISTRATION
    early = GLOBAL.with_options(make_before_break=True, move="replaces")
    assert (early.procedure, early.move) == (Procedure.MAKE_BEFORE_BREAK, "replaces")


BAD_OPTIONS: list[tuple[Scenario, dict[str, Any], str]] = [
    (GLOBAL, {"silence_ms": 5}, "the command line: --silence-ms: 5 is less than 40\n  mend: give 40 or more"),
    (
        GLOBAL,
        {"trigger": "carrier"},
        "the command line: --trigger: `carrier` is not known here\n  mend: did you",
    ),
    (GLOBAL, {"transport": "sctp"}, "the command line: --transport: `sctp` is not known here\n  mend: known: udp, tcp"),
    (GLOBAL, {"ip": 5}, "the command line: --ip: `5` is not known here\n  mend: known: 4, 6"),
    (GLOBAL, {"ealg": "rot13"}, "the command line: --ealg: `rot13` is not known here\n  mend: known: null, aes-cbc"),
    (GLOBAL, {"seed": -1}, "the command line: --seed: -1 is less than 0"),
    (GLOBAL, {"settle_s": 0.5}, "the command line: --settle-s: 0.5 is less than 1"),
    (GLOBAL, {"linger_s": 0}, "the command line: --linger-s: 0 is less than 0.1"),
    (
        GLOBAL,
        {"from_access": "lte", "to_access": "lte"},
        "--to: is the access that the call begins on",
    ),
    (RELEASE7, {"make_before_break": True}, "--make-before-break: release 7 cannot move a session"),
    (RELEASE7, {"move": "replaces"}, "the command line: --move: release7 does not move a session by replaces"),
    (GLOBAL, {"profile": "release7"}, "--profile: global-reregistration is not what a core of profile release7 does"),
]


@pytest.mark.parametrize(("scenario", "options", "sentence"), BAD_OPTIONS)
def test_options_that_do_not_fit_are_refused_by_their_name(
    scenario: Scenario, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UsageError) as caught:
        scenario.with_options(**options)
    assert sentence in str(caught.value) and caught.value.exit_code == 2


def test_all_wrong_options_are_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        GLOBAL.with_options(silence_ms=-1, transport="carrier-pigeon")
    assert "the command line has 2 faults" in str(caught.value)
    assert "--silence-ms" in str(caught.value) and "--transport" in str(caught.value)


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "trigger": st.sampled_from(list(TriggerKind)),
        "make_before_break": st.booleans(),
        "move": st.sampled_from(["re-invite", "replaces", "redial"]),
        "profile": st.sampled_from(["seamless", "release7"]),
        "transport": st.sampled_from(["udp", "tcp"]),
        "ip": st.sampled_from([4, 6]),
        "ealg": st.sampled_from(["null", "aes-cbc"]),
        "silence_ms": st.floats(-10, 1e5),
        "linger_s": st.floats(allow_infinity=True, allow_nan=True),
        "seed": st.integers(-2, 2**70),
        "from_access": st.sampled_from(["lte", "wifi", "LTE", ""]),
        "to_access": st.sampled_from(["lte", "wifi"]),
    },
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(SHORT.values())), OPTIONS)
def test_any_options_give_a_scenario_that_can_be_written_and_read_or_are_refused(
    scenario: Scenario, options: dict[str, Any]
) -> None:
    try:
        changed = scenario.with_options(**options)
    except UsageError as refused:
        assert "mend: " in str(refused)
        return
    assert loads(changed.to_yaml()) == changed
    assert changed.make_before_break == bool(options.get("make_before_break"))
    assert (changed.profile == "release7") == (changed.procedure is Procedure.RELEASE7) == (changed.move == "redial")
    assert changed.expectations().call_survives == (changed.procedure is not Procedure.RELEASE7)


# The topology


def test_the_handoff_goes_from_the_first_access_to_the_second() -> None:
    assert (GLOBAL.old_access(PLAN), GLOBAL.new_access(PLAN)) == ("lte", "wifi")


@pytest.mark.parametrize("options", [{"from_access": "wifi"}, {"to_access": "lte"}])
def test_one_named_access_leaves_the_other_to_be_found(options: dict[str, str]) -> None:
    back = GLOBAL.with_options(**options)
    assert (back.old_access(PLAN), back.new_access(PLAN)) == ("wifi", "lte")


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        (("", ""), {"to_access": "wfi"}, r"to: `wfi` is no access of UE `ue`\n  mend: did you mean `wifi`\?"),
        (
            ("", ""),
            {"from_access": "far"},
            r"from: `far` is no access of UE `ue`\n  mend: the accesses",
        ),
        (
            ("  far:                     #", "  bob:                     #"),
            {},
            r"there is no UE `far`",
        ),
        (("[lte, wifi]", "[lte]"), {}, r"topology two-access: UE `ue` has only the access `lte`"),
    ],
)
def test_a_topology_that_does_not_fit_is_said_to_be_so(
    change: tuple[str, str], options: dict[str, str], sentence: str
) -> None:
    text = (topologies.SHIPPED / "two-access.yaml").read_text(encoding="utf-8").replace(*change)
    if change[1] == "[lte]":
        text = text.replace("accesses: [far]", "accesses: [far, wifi]")
    with pytest.raises(UsageError, match=sentence):
        GLOBAL.with_options(**options).fit(make_plan(topologies.loads(text)))


# Files


def test_the_name_of_an_algorithm_may_be_written_as_yamls_null() -> None:
    assert loads(GLOBAL.to_yaml().replace("ealg: 'null'", "ealg: null")) == GLOBAL


BAD_FILES = {
    "an unknown key": ("trigger: carrier-loss", "triger: carrier-loss", "triger: there is no such key here"),
    "an unknown procedure": ("procedure: global-r", "procedure: gobal-r", "did you mean `global-reregistration`?"),
    "a move that is not the procedure's": (
        "procedure: global-reregistration\n",
        "procedure: global-reregistration\nmove: replaces\n",
        "mine.yaml:6:7: move: global-reregistration does not move a session by replaces",
    ),
    "a core that does not do this": (
        "procedure: global-reregistration\n",
        "procedure: global-reregistration\nprofile: release7\n",
        "mine.yaml:6:10: profile: global-reregistration is not what a core of profile release7 does",
    ),
    "a ratio below one": (
        "max_over_floor: 15",
        "max_over_floor: 0.5",
        "mine.yaml:12:19: expect.max_over_floor: 0.5 ",
    ),
    "no title": (
        "title: ",
        "subtitle: ",
        "mine.yaml:4:1: subtitle: there is no such key here\n  mend: did you mean",
    ),
}


@pytest.mark.parametrize(("before", "after", "sentence"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_wrong_file_is_told_with_line_and_key(before: str, after: str, sentence: str) -> None:
    text = (FOLDER / "global-reregistration.yaml").read_text(encoding="utf-8")
    assert before in text
    with pytest.raises(UsageError) as caught:
        loads(text.replace(before, after, 1), "mine.yaml")
    assert sentence in str(caught.value)


def test_a_name_means_what_ships_and_a_path_means_the_file(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(GLOBAL.with_options(seed=3).to_yaml(), encoding="utf-8")
    assert find("global-reregistration") == GLOBAL
    assert find(str(path)) == GLOBAL.with_options(seed=3)


def test_an_unknown_scenario_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no scenario `global-registration`\n  mend: did you mean `global-rer"):
        find("global-registration")
    with pytest.raises(UsageError, match=r"one of: .*global-reregistration, "):
        find("zigzag")
    with pytest.raises(UsageError, match=r"mine\.yaml: cannot be read: no such file or directory"):
        find("mine.yaml")
