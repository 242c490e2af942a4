"""`testbed wifi`: the Wi-Fi radios of this machine, what they hear and who is with them.  Nothing is configured."""

from __future__ import annotations

import click

from testbed.cli.verbs import Verbs

VERBS = {
    "list": ("testbed.cli.wifi_list", "Radios: mode, channel, network, state, and which program controls each."),
    "scan": ("testbed.cli.wifi_scan", "Access points that a radio hears."),
    "stations": ("testbed.cli.wifi_stations", "Who is associated with an access point of this machine."),
    "watch": ("testbed.cli.wifi_watch", "Signal and network as they change, and events as they come."),
}


@click.group(cls=Verbs, table=VERBS)
def wifi() -> None:
    """Wi-Fi radios of this machine.

    DEVICE is a network device, as wlan0; it may be left out where only one will do.  The radios of a rig, and any
    others in a network namespace, are seen from there: `ip netns exec NAMESPACE testbed wifi list`.
    """
