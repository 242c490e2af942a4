"""What a UE process is told survives the way to it, and its keys do not show."""

from __future__ import annotations

import json

from drivers.protocols import AccessAddress
from testbed.ue.config import Subscription, UeConfig
from testbed.ue.setup import AccessSetup, UeSetup

K, OPC = bytes(range(16)), bytes(range(16, 32))
SETS = (("sip:u@home1.net", "sip:v@home1.net"), ("sip:w@home1.net",))
SUBSCRIPTION = Subscription("u@home1.net", sum(SETS, ()), "home1.net", K, OPC, implicit_sets=SETS)
ACCESSES = (
    AccessSetup("lte", "lte", 101, (AccessAddress(4, "10.1.0.2", 24, "10.1.0.1", "10.100.0.11"),)),
    AccessSetup("wifi", "wifi", 102, (AccessAddress(6, "fd00::2", 64, "fd00::1", "fd00:64::11"),), "IEEE-802.11"),
)
SETUP = UeSetup(UeConfig("ue", SUBSCRIPTION, "urn:uuid:1", ealg="aes-cbc", seed=7), ACCESSES, 6, "captures/esp_sa")


def test_a_setup_reads_back_from_its_json_as_itself() -> None:
    assert UeSetup.from_json(json.loads(json.dumps(SETUP.to_json()))) == SETUP


def test_no_key_shows_in_a_representation() -> None:
    assert K.hex() not in repr(SETUP) and repr(K) not in repr(SETUP) and repr(OPC) not in repr(SETUP)
