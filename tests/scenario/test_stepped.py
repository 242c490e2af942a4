"""Scenarios in steps: what may be written, how each step is told, and what is refused with its line and its mend."""

from __future__ import annotations

import json
import re

import pytest

from testbed.errors import UsageError
from testbed.measure.words import Procedure
from testbed.scenario.catalogue import catalogue, loads
from testbed.scenario.language.help import one_word, words
from testbed.scenario.language.step import SUBJECTS, VERBS
from testbed.scenario.rows import ROWS
from testbed.scenario.schema import json_schema
from testbed.scenario.stepped import SteppedScenario
from testbed.topology import load as topologies
from testbed.topology.faults import FileFaults
from testbed.topology.planning import make_plan

PLAN = make_plan(topologies.load(topologies.SHIPPED / "two-access.yaml"))
HEAD = "name: mine\ntitle: Mine.\nsteps:\n"
STEPS = """\
  - register: {ue: far, access: far}
  - register: {access: lte}
  - call: {to: far, as: first}
  - remember: before
  - register: {access: wifi, move: explicit}
  - expect: {connection: lte, state: inactive, within_s: 5}
  - cut: lte
  - move: {call: first, to: wifi, by: re-invite}
  - expect: {media: both-ways}
  - weigh: early
  - idle: {s: 3600, for: nothing}
  - expect: {no-growth-since: early}
"""
STEPPED = {name: each for name, each in catalogue().items() if isinstance(each, SteppedScenario)}


def mine(steps: str = STEPS) -> SteppedScenario:
    scenario = loads(HEAD + steps, "mine.yaml")
    assert isinstance(scenario, SteppedScenario)
    return scenario


def test_each_step_can_be_read_aloud() -> None:
    assert [step.verb.said() for step in mine().steps] == [
        "far registers over far",
        "ue registers over lte",
        "ue calls far",
        "how things are, as `before`",
        "ue registers over wifi, a binding moves",
        "the connection over lte is inactive",
        "lte loses its carrier",
        "the caller moves first to wifi by re-invite",
        "media flows both ways",
        "what every host has, as `early`",
        "3600 s pass, in which core, HSS and captures sleep: nothing",
        "nothing has grown since `early`",
    ]


def test_the_steps_are_written_as_they_were_read() -> None:
    assert loads(mine().to_yaml()) == mine()
    assert "changes: null" not in mine().to_yaml()


@pytest.mark.parametrize(
    ("wrong", "place", "what", "mend"),
    [
        ("  - cutt: lte\n", "4:5: steps[0].cutt", "there is no such key here", "did you mean `cut`?"),
        ("  - cut: lte\n    clear: lte\n", "4:5: steps[0]", "has 2 verbs: cut, clear", "make a step of each"),
        ("  - {}\n", "4:5: steps[0]", "has no verb", "write one of attach"),
        ("  - cut: 7\n", "4:10: steps[0].cut", "`7` is not text", "write it as text"),
        ("  - expect: {conection: lte, state: active}\n", "steps[0].expect.conection", "no such key", "`connection`?"),
        ("  - expect: {nothing: 1}\n", "4:13: steps[0].expect", "says not what is expected", "begin it with one of"),
        (
            "  - expect: {connection: lte, state: dead}\n",
            "steps[0].expect.state",
            "`dead` is not known here",
            "did you mean `ended`?",
        ),
        ("  - register: {acess: lte}\n", "4:16: steps[0].register.acess", "no such key", "did you mean `access`?"),
        ("  - hang-up: {call: it}\n", "4:21: steps[0].hang-up.call", "there is no call `it` before", "remove it"),
        ("  - expect: {unchanged: now}\n", "steps[0].expect.unchanged", "there is no snapshot `now` before", "remove"),
        ("  - expect: {no-growth-since: x}\n", "expect.no-growth-since", "there is no weight `x` before", "remove"),
        ("  - hold:\n", "4:5: steps[0].hold", "has no value", "say what to hold"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_mend(wrong: str, place: str, what: str, mend: str) -> None:
    with pytest.raises(FileFaults) as refused:
        mine(wrong)
    for part in ("mine.yaml:4:", place, what, mend):
        assert part in str(refused.value)


def test_a_name_must_be_given_before_it_is_used() -> None:
    with pytest.raises(FileFaults, match=r"there is no call `first` before this step"):
        mine("  - hang-up: {call: first}\n  - call: {to: far, as: first}\n")


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        ("cut: let", "there is no access `let` in topology two-access.*did you mean `lte`"),
        ("register: {ue: eu, access: lte}", "there is no ue `eu`"),
        ("expect: {bindings: every, at: [lte, wlan]}", "there is no access `wlan`"),
        ("expect: {bindings: every, at: [lte], through: [pcscf]}", "there is no pcscf `pcscf`"),
        ("core: {kill: scscff}", "there is no daemon `scscff`"),
        ("expect: {associations: lte, count: 4}", "there is no host `lte`"),
    ],
)
def test_what_the_topology_lacks_is_found_before_anything_is_started(step: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=re.compile(complaint, re.DOTALL)):
        mine(f"  - {step}\n").fit(PLAN)


def test_options_change_how_it_is_run_and_not_what_happens() -> None:
    changed = mine().with_options(transport="tcp", ip=6, seed=3, trigger=None)
    assert (changed.transport, changed.ip, changed.seed, changed.steps) == ("tcp", 6, 3, mine().steps)
    with pytest.raises(UsageError, match="is a list of steps"):
        mine().with_options(trigger="blackhole")


def test_a_call_that_is_dialled_again_is_expected_to_be_lost() -> None:
    redialled = "  - handoff: {from: lte, to: wifi, register: none, sessions: redial}\n"
    assert mine().expectations().call_survives
    assert not mine(redialled).expectations().call_survives
    (step,) = mine(redialled).steps
    assert step.handoff is not None and step.handoff.procedure is Procedure.RELEASE7


def test_the_schema_knows_every_verb_and_every_subject() -> None:
    text = json_schema()
    schema = json.loads(text)
    assert set(VERBS) <= set(schema["$defs"]["Step"]["properties"])
    for subject in SUBJECTS:
        assert f'"{subject}"' in text


def test_every_word_of_the_language_says_what_it_is_for() -> None:
    for word, model in words().items():
        assert (model.__doc__ or "").strip().endswith("."), word
        assert list(one_word(word.removeprefix("expect ")))
    with pytest.raises(UsageError, match="there is no verb or subject `regster`\n  mend: did you mean `register`"):
        list(one_word("regster"))


def test_the_far_end_may_be_a_server_of_another_network() -> None:
    assert mine().far_addresses(PLAN) == tuple(each.address for each in PLAN.accesses["far"].addresses)
    assert mine().far_delay_ms(PLAN) == PLAN.accesses["far"].shape.delay_ms
    server = mine().with_options(far_end="scscf")
    assert server.far_addresses(PLAN) == tuple(PLAN.servers["scscf"].addresses.values())
    assert server.far_delay_ms(PLAN) == 0
    with pytest.raises(UsageError, match="there is no server `nobody`"):
        mine().with_options(far_end="nobody").fit(PLAN)


# What ships


def test_every_row_of_the_proposal_has_scenarios() -> None:
    shown = {row: [name for name, each in catalogue().items() if row.number in each.rows] for row in ROWS}
    assert {row.number: names for row, names in shown.items() if len(names) < 2} == {}


@pytest.mark.parametrize("name", sorted(STEPPED))
def test_what_ships_expects_something(name: str) -> None:
    verbs = [step.verbs[0] for step in STEPPED[name].steps]
    assert "expect" in verbs
