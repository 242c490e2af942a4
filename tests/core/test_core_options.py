"""What a core may be told before anything is started."""

import pytest

from testbed.core.core import RULES, CoreOptions
from testbed.errors import UsageError


def test_each_row_of_the_proposal_has_a_rule_that_can_be_taken_out() -> None:
    assert list(RULES) == list(range(1, 14))
    assert CoreOptions(without=frozenset(RULES.values())).without == set(RULES.values())


def test_a_rule_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(UsageError, match=r"(?s)no rule 'lingering' to take out.*several-connections, .*linger, "):
        CoreOptions(without=frozenset({"lingering"}))
