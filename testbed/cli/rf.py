"""`testbed rf`: the levers on this bench that make a radio weaker or take its power, by the names of a bench file."""

from __future__ import annotations

import click

from testbed.cli.verbs import Verbs

VERBS = {
    "list": ("testbed.cli.rf_list", "Levers: how each is, and what it can be set to."),
    "set": ("testbed.cli.rf_set", "Set an attenuator to so many dB, or switch a relay or a USB port."),
    "ramp": ("testbed.cli.rf_ramp", "Have an attenuator go evenly to so many dB."),
    "safe": ("testbed.cli.rf_safe", "Put levers in their safe state."),
}


@click.group(cls=Verbs, table=VERBS)
def rf() -> None:
    """Levers of this bench: attenuators, relays, the power of USB ports.

    A bench file, rf.yaml in the current folder or --bench FILE, names them:

    \b
    levers:
      corridor:   # Mini-Circuits RCDAT, by http or telnet
        kind: attenuator
        address: 192.0.2.10
        channels: [1, 2]
        maximum_db: 60
        safe_db: 0
      mains:      # relay of a Numato module; usbrelay has `relay: HURTM_1`
        kind: numato
        device: /dev/serial/by-id/usb-Numato
        relay: 3
        safe_on: true
      stick:      # USB port that uhubctl can switch
        kind: usb-power
        hub: 1-1.4
        port: 2

    Without an attenuator: `python -m drivers.virtual.attenuator --http 8080 --telnet 2323` serves a virtual one.
    """
