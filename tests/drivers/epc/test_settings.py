"""What no core would take is refused before one is asked, with a sentence."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface
from typing import Any

import pytest
from epc_settings import INTERNET, SETTINGS, SUBSCRIBER, K

from drivers.epc.settings import Pool
from drivers.errors import DriverError


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"plmn": "0010"}, "PLMN '0010' has not five or six digits"),
        ({"tac": 0}, "TAC 0 is not one of 1 to 65533"),
        ({"pools": ()}, "there must be APNs"),
        ({"pools": (INTERNET, INTERNET)}, "there must be APNs, each of them once"),
        ({"pools": (Pool("ims"),)}, "APN ims has no addresses"),
        ({"pools": (INTERNET, Pool("ims", IPv4Interface("10.45.0.129/25")))}, "overlap"),
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(DriverError, match=words):
        replace(SETTINGS, **wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"imsi": "0010101234567890"}, "an IMSI has at most 15 digits"),
        ({"k": "xyz"}, "k has not 32 hexadecimal digits"),
        ({"pdns": ()}, "has no APN"),
    ],
)
def test_subscribers_that_cannot_be(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(DriverError, match=words):
        replace(SUBSCRIBER, **wrong)


def test_keys_are_in_no_representation() -> None:
    assert K not in repr(SUBSCRIBER)
