"""Whatever becomes of a valid file, it either loads, and then has a plan and a picture, or is refused in sentences."""

from __future__ import annotations

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from testbed.errors import UsageError
from testbed.topology.drawing import drawing
from testbed.topology.faults import FileFaults
from testbed.topology.load import SHIPPED, loads
from testbed.topology.planning import make_plan

VALID = (SHIPPED / "two-access.yaml").read_text(encoding="utf-8")
PIECES = [
    *" \n\t:-,?&*!|>'\"%@`#{}[]~\\\0\x07\ud800é\u202e",
    *("null", "true", "0", "-1", "1e99", ".nan", "9" * 5000, "0x1f", "2001-01-01", "<<: *a", "&a", "*a", "!!int 3"),
    *("'' :", "---\n", "...\n", "%YAML 9.9\n", "%TAG ! x\n", "\\UFFFFFFFF", '"\\ud800"', '"\\UFFFFFFFF"', "? ", "- "),
    *("ipv4: 10.0.0.0/0", "ipv6: ::/0", "ipv4: 10.1.0.2/24", "ipv6: fd00::2/64\n", "kind: wired", "lte", "wifi"),
    *(
        "accesses:",
        "servers:",
        "ues:",
        "delay_ms: 5",
        "jitter_ms: 9",
        "    ipv4: 10.100.0.200/24\n",
        "[]",
        "{}",
        "[lte]",
    ),
]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The valid file with one to six cuts, insertions, exchanges or doublings of pieces and lines."""
    text = VALID
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        lines = text.splitlines(keepends=True) or [""]
        line = draw(st.integers(0, len(lines) - 1))
        text = draw(
            st.sampled_from(
                [
                    text[:start] + text[end:],
                    text[:start] + draw(st.sampled_from(PIECES)) + text[end:],
                    text[:start] + draw(st.sampled_from(PIECES)) + text[start:],
                    "".join(lines[:line] + lines[line + 1 :]),
                    "".join(lines[: line + 1] + lines[line:]),
                    "".join([*lines[:line], draw(st.sampled_from(lines)), *lines[line:]]),
                ]
            )
        )
    return text


def loads_or_is_refused(text: str) -> None:
    try:
        topology = loads(text, "rig.yaml")
    except UsageError as error:
        assert isinstance(error, FileFaults) and error.faults
        sentence = str(error)
        assert "rig.yaml" in sentence and "mend: " in sentence
        assert all(line.isprintable() for line in sentence.splitlines()), sentence
        lines = text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + text.count("\u2029")
        assert all(0 <= fault.line <= lines + 1 for fault in error.faults)
        return
    plan = make_plan(topology)
    taken = [address for access in plan.accesses.values() for address in access.backbone.values()]
    taken += [address for server in plan.servers.values() for address in server.addresses.values()]
    taken += [found.address for access in plan.accesses.values() for found in access.addresses]
    taken += [found.gateway for access in plan.accesses.values() for found in access.addresses]
    assert len(set(taken)) == len(taken) and "None" not in taken
    assert len(set(plan.namespaces)) == len(plan.namespaces)
    assert plan.topology and drawing(plan, 80).plain


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_a_mutated_file_loads_or_is_refused(text: str) -> None:
    loads_or_is_refused(text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
@example("%YAML 1.x\n---\na: 1\n")
@example("%TAG ! tag:x,2000:\n---\n!a {b: 1}\n")
@example('"\\UFFFFFFFF": 1')
@example("a: |9\n  x\n")
def test_any_text_loads_or_is_refused(text: str) -> None:
    loads_or_is_refused(text)
