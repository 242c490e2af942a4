"""Settings of a core for tests."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from drivers.epc.settings import CoreSettings, PdnSubscription, Pool, SubscriberSettings

IMSI, K, OPC = "001010123456789", "00" * 16, "11" * 16
INTERNET = Pool("internet", IPv4Interface("10.45.0.1/24"), device="pgw-internet")
IMS = Pool("ims", IPv4Interface("10.46.0.1/24"), IPv6Interface("fd46::1/64"), device="pgw-ims")
SETTINGS = CoreSettings(
    pools=(INTERNET, IMS),
    s1=IPv4Address("127.0.1.1"),
    s1u=IPv4Address("127.0.1.2"),
    pcscf=(IPv4Address("10.46.0.1"), IPv6Address("fd46::1")),
    dns=(IPv4Address("10.45.0.1"),),
)
SUBSCRIBER = SubscriberSettings(
    IMSI, K, OPC, (PdnSubscription("internet"), PdnSubscription("ims", "ipv4v6", 5, address=IPv4Address("10.46.0.9")))
)
