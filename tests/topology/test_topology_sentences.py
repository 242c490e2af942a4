"""Sentences about models that topologies do not have yet: several kinds told apart by `kind`."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from testbed.topology.document import parse
from testbed.topology.faults import FileFaults
from testbed.topology.files import validate
from testbed.topology.model import Milliseconds, Strict


class Cable(Strict):
    kind: Literal["cable"]
    delay_ms: Milliseconds = 0.0


class Radio(Strict):
    kind: Literal["radio"]
    channel: int = Field(ge=1, le=13)


class Bench(Strict):
    links: dict[str, Annotated[Cable | Radio, Field(discriminator="kind")]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("links: {a: {kind: radio, channel: 14}}", "bench.yaml:1:35: links.a.channel: 14 is more than 13"),
        ("links: {a: {kind: radio, chanel: 1}}", "bench.yaml:1:26: links.a.chanel: there is no such key here"),
        ("links: {a: {kind: cable, channel: 1}}", "bench.yaml:1:26: links.a.channel: there is no such key here"),
        ("links: {a: {kind: radoi}}", "bench.yaml:1:19: links.a.kind: `radoi` is not known here"),
        ("links: {a: {channel: 1}}", "bench.yaml:1:9: links.a.kind: is missing"),
        ("links: {a: {kind: radio, channel: 1.5}}", "bench.yaml:1:35: links.a.channel: `1.5` is not a whole number"),
        ("links: {cable: 5}", "bench.yaml:1:16: links.cable: `5` is not a mapping of keys to values"),
    ],
)
def test_a_fault_within_one_kind_is_at_its_place(text: str, expected: str) -> None:
    with pytest.raises(FileFaults) as caught:
        validate(parse(text, "bench.yaml"), Bench)
    assert [str(fault) for fault in caught.value.faults] == [expected]


def test_each_kind_knows_its_own_keys() -> None:
    with pytest.raises(FileFaults, match="did you mean `channel`"):
        validate(parse("links: {a: {kind: radio, chanel: 1}}", "bench.yaml"), Bench)
