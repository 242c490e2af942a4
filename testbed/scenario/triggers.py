"""Which triggers can happen to which kind of access; known before a run begins."""

from __future__ import annotations

from testbed.errors import UsageError
from testbed.measure.words import TriggerKind as T
from testbed.topology.plan import AccessPlan

CABLE = (T.CARRIER_LOSS, T.BLACKHOLE)
WIFI = (*CABLE, T.AP_POWER_OFF, T.AP_SILENT, T.AP_DEAUTH, T.SIGNAL_LOW, T.FADE)
UES_OWN = (T.CONTEXT_GIVEN_UP, T.AIRPLANE_MODE)  # what a UE does to its own modem
OF_STICKS = (T.STICK_PULLED, T.USB_PORT_DISABLED, T.COVERAGE_LOSS, T.CONTEXT_DEACTIVATED, T.NETWORK_DETACH)
STICK = (*CABLE, *OF_STICKS, T.SIGNAL_LOW, T.FADE, *UES_OWN)
REAL_MODEM = (T.BLACKHOLE, T.USB_PORT_DISABLED, *UES_OWN)  # its radio and its core are not ours


def possible(access: AccessPlan) -> tuple[T, ...]:
    """What may be done to an access."""
    if access.wifi is not None:
        return WIFI
    if access.modem is None:
        return CABLE
    return REAL_MODEM if access.modem.stick is None else STICK


def refuse_impossible(access: AccessPlan, trigger: T, where: str) -> None:
    """Raises UsageError for a trigger that cannot happen to this access."""
    if trigger not in possible(access):
        mend = f"what can: {', '.join(possible(access))}"
        raise UsageError(f"{trigger} cannot happen to access {access.name}", where=where, mend=mend)
    low_dbm = access.wifi.low_dbm if access.wifi else access.modem.low_dbm if access.modem else None
    if trigger is T.SIGNAL_LOW and low_dbm is None:
        mend = "give the access low_dbm in the topology"
        raise UsageError(f"the UE calls no signal of access {access.name} low", where=where, mend=mend)
