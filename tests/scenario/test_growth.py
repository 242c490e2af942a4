"""What counts as growth over many handoffs."""

import pytest

from testbed.scenario.growth import Sample, grown, tell, weighed_after

BEFORE = {"ue": Sample(4, 30, 34_000), "scscf": Sample(0, 87, 60_000)}


@pytest.mark.parametrize(
    ("handoffs", "weighed"),
    [(1, ()), (2, ()), (3, ()), (4, (2, 4)), (5, (2, 4)), (20, (4, 20)), (21, (4, 20)), (1000, (250, 1000))],
)
def test_everything_is_weighed_twice_where_the_call_is_back_where_it_began(
    handoffs: int, weighed: tuple[int, ...]
) -> None:
    assert weighed_after(handoffs) == weighed


def test_what_stays_as_it_was_has_not_grown() -> None:
    assert list(grown(BEFORE, BEFORE)) == []
    assert list(tell(BEFORE, BEFORE)) == [
        "ue: 4 → 4 SAs, 30 → 30 open files, 33.2 → 33.2 MiB",
        "scscf: 0 → 0 SAs, 87 → 87 open files, 58.6 → 58.6 MiB",
    ]


def test_one_association_and_one_open_file_more_are_growth_and_fewer_are_none() -> None:
    assert list(grown(BEFORE, BEFORE | {"ue": Sample(5, 31, 34_000)})) == [
        "the security associations of ue grew from 4 to 5",
        "the open files of ue grew from 30 to 31",
    ]
    assert list(grown(BEFORE, BEFORE | {"ue": Sample(0, 29, 30_000)})) == []


def test_memory_may_breathe() -> None:
    assert list(grown(BEFORE, BEFORE | {"scscf": Sample(0, 87, 62_900)})) == []
    assert list(grown(BEFORE, BEFORE | {"ue": Sample(4, 30, 36_000)})) == []
    assert list(grown(BEFORE, BEFORE | {"scscf": Sample(0, 87, 63_100)})) == [
        "the memory of scscf grew from 60000 to 63100 KiB"
    ]


def test_what_a_program_keeps_may_not_grow_but_for_transactions_that_are_just_over() -> None:
    before = {"ue": Sample(4, 30, 34_000, {"sessions": 1, "subscriptions": 1, "transactions": 50})}
    after = {"ue": Sample(4, 30, 34_000, {"sessions": 2, "subscriptions": 1, "transactions": 58})}
    assert list(grown(before, after)) == ["the sessions of ue grew from 1 to 2"]
    assert list(grown(after, {"ue": Sample(4, 30, 34_000, {"sessions": 1, "transactions": 70})})) == [
        "the transactions of ue grew from 58 to 70"
    ]
    assert list(tell(before, after)) == [
        "ue: 4 → 4 SAs, 30 → 30 open files, 33.2 → 33.2 MiB, 1 → 2 sessions, 1 → 1 subscriptions, 50 → 58 transactions"
    ]
