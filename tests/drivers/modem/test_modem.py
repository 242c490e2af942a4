"""The driver over a pseudo-terminal with a scripted modem: from opening it to bringing it back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest
from scripted_modem import OK, Reply, ScriptedModem, said

from drivers.modem import repair
from drivers.modem.context import Context, ContextAddress
from drivers.modem.errors import (
    ContextRefused,
    ModemError,
    NoDataCall,
    NoService,
    PortGone,
    SimError,
    SimLocked,
    SimMissing,
)
from drivers.modem.machine import ModemEvent
from drivers.modem.modem import Identity, Modem
from drivers.modem.recovery import RecoveryFailed, Rung, Step
from drivers.modem.usb import PortName

V6 = "32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.{}"
CONTEXT = said(
    '+CGCONTRDP: 2,6,"ims","10.1.2.3.255.255.255.248","10.1.2.1","10.9.0.1","","10.8.0.1","10.8.0.2",1',
    f'+CGCONTRDP: 2,6,"ims","{V6.format(5)}","{V6.format(1)}","","","{V6.format(7)}","",1',
)
QUECTEL: Mapping[str, Reply] = {
    "ATE0": OK,
    "ATV1": OK,
    "AT+CMEE=1": OK,
    "AT+CGMI": said("Quectel"),
    "AT+CGMM": said("EC25"),
    "AT+CGMR": said("EC25EFAR06A11M4G"),
    "AT+CGSN": said("861536030196001"),
    "AT+CEREG=2": OK,
    "AT+CEREG?": said('+CEREG: 2,1,"04BE","019E7703",7'),
    "AT+CGREG?": said("+CGREG: 2,4"),
    "AT+CREG?": said("+CREG: 2,1"),
    "AT+QCSQ": said('+QCSQ: "LTE",-66,-94,142,-9'),
    "AT+CPIN?": said("+CPIN: READY"),
    "AT+CIMI": said("001010000000001"),
    "AT+QCCID": said("+QCCID: 89860117000000000000"),
    "AT+CGDCONT?": said('+CGDCONT: 1,"IPV4V6","internet","",0,0'),
    'AT+CGDCONT=2,"IPV4V6","ims","",0,0,0,0,1,1': OK,
    "AT+CGACT?": said("+CGACT: 1,1", "+CGACT: 2,0"),
    "AT+CGACT=1,2": OK,
    "AT+CGACT=0,2": OK,
    "AT+CGCONTRDP=2": CONTEXT,
    "AT+CFUN=4": OK,
    "AT+CFUN=1": OK,
    "AT+CGATT=0": OK,
}
Told = list[ModemEvent]


def driven(test: Callable[[Modem, ScriptedModem, Told], Coroutine[Any, Any, None]], tmp_path: Path) -> None:
    async def run() -> None:
        told: Told = []
        with ScriptedModem(QUECTEL, link=tmp_path / "by-id") as scripted:
            modem = Modem(PortName.parse(scripted.path), on_event=told.append, low_dbm=-110.0, pin="1234")
            try:
                await modem.open(10)
                await test(modem, scripted, told)
            finally:
                modem.close()

    asyncio.run(run())


def whats(told: Told) -> list[str]:
    return [event.what for event in told]


async def until(told: Told, what: str) -> ModemEvent:
    """The event, once it has been told."""
    async with asyncio.timeout(10):
        while not (found := [event for event in told if event.what == what]):
            await asyncio.sleep(0.01)
    return found[-1]


def test_a_modem_is_identified_and_its_vendor_chosen(tmp_path: Path) -> None:
    async def test(modem: Modem, scripted: ScriptedModem, told: Told) -> None:
        assert modem.identity == Identity("Quectel", "EC25", "EC25EFAR06A11M4G", "861536030196001")
        assert (modem.vendor.name, modem.service) == ("Quectel", "registered")
        assert whats(told) == ["registered"]

    driven(test, tmp_path)


def test_signal_card_and_numbers_are_read(tmp_path: Path) -> None:
    async def test(modem: Modem, scripted: ScriptedModem, told: Told) -> None:
        signal = await modem.signal()
        assert (signal.rsrp_dbm, signal.rsrq_db, signal.sinr_db, signal.rat) == (-94.0, -9.0, 8.4, "LTE")
        await modem.sim.wait_ready()
        assert await modem.sim.imsi() == "001010000000001"
        assert await modem.sim.iccid(modem.vendor.iccid) == "89860117000000000000"
        scripted.script["AT+QCSQ"] = said('+QCSQ: "LTE",-90,-120,10,-19')
        await modem.signal()
        assert whats(told)[1:] == ["signal", "signal", "signal-low"]

    driven(test, tmp_path)


def test_a_signal_that_the_first_command_does_not_tell_is_asked_of_the_next(tmp_path: Path) -> None:
    async def test(modem: Modem, scripted: ScriptedModem, told: Told) -> None:
        scripted.script |= {"AT+QCSQ": said('+QCSQ: "NOSERVICE"'), "AT+CSQ": said("+CSQ: 17,99")}
        signal = await modem.signal()
        assert (signal.rsrp_dbm, signal.rssi_dbm) == (None, -79.0)

    driven(test, tmp_path)


def test_the_ims_context_has_addresses_and_p_cscfs_of_both_families(tmp_path: Path) -> None:
    async def test(modem: Modem, scripted: ScriptedModem, told: Told) -> None:
        context = await modem.connect("ims")
        v4 = ContextAddress(4, "10.1.2.3", 29, "10.1.2.1", ("10.9.0.1",), ("10.8.0.1", "10.8.0.2"))
        v6 = ContextAddress(6, "2001:db8::5", 64, "2001:db8::1", (), ("2001:db8::7",))
        assert context == Context(2, "ims", None, (v4, v6))
        assert context.pcscf == ("10.8.0.1", "10.8.0.2", "2001:db8::7")
        assert told[-1].what == "context-up" and told[-1].cid == 2

    driven(test, tmp_path)


def test_a_modem_without_p_cscf_discovery_gets_the_plain_definition(tmp_path: Path) -> None:
    async def test(modem: Modem, scripted: ScriptedModem, told: Told) -> None:
        del scripted.script['AT+CGDCONT=2,"IPV4V6","ims","",0,0,0,0,1,1']
        scripted.script['AT+CGDCONT=2,"IPV4V6","ims"'] = OK
        assert (await modem.connect("ims")).apn == "ims"

    driven(test, tmp_path)


def test_a_context_that_is_active_already_is_taken_as_it_is(tmp_path: Path) -> None:
    async def test(modem: Modem, scripted: ScriptedModem, told: Told) -> None:
        scripted.script["AT+CGDCONT?"] = said('+CGDCONT: 2,"IPV4V6","ims","",0,0')
        scripted.script["AT+CGACT?"] = said("+CGACT: 2,1")
        await modem.connect("ims")
        assert not [line for line in scripted.heard if line.startswith(("AT+CGDCONT=", "AT+CGACT="))]

    driven(test, tmp_path)


def test_a_refused_context_has_the_networks_reason(tmp_path: Path) -> None:
    async def test(modem: Modem, scripted: ScriptedModem, told: Told) -> None:
        scripted.script |= {
            "AT+CGACT=1,2": "\r\n+CME ERROR: 133\r\n",
            "AT+CEER": said("+CEER: Unknown or missing APN"),
        }
        with pytest.raises(ContextRefused, match=r"refused: Unknown or missing APN\n  mend: is the APN right"):
            await modem.connect("ims")

    driven(test, tmp_path)


def test_the_network_that_ends_the_context_is_told_and_we_are_not(tmp_path: Path) -> None:
    async def test(modem: Modem, scripted: ScriptedModem, told: Told) -> None:
        await modem.connect("ims")
        scripted.send("\r\n+CGEV: NW PDN DEACT 2\r\n")
        assert (await until(told, "context-lost")).detail == "deactivated by the network"
        told.clear()
        await modem.connect("ims")
        scripted.script["AT+CGACT=0,2"] = "\r\n+CGEV: ME PDN DEACT 2\r\n" + OK
        await modem.disconnect()
        assert whats(told) == ["context-up"]

    driven(test, tmp_path)


def test_which_context_was_lost_is_asked_where_the_modem_does_not_say(tmp_path: Path) -> None:
    async def test(modem: Modem, scripted: ScriptedModem, told: Told) -> None:
        await modem.connect("ims")
        scripted.send("\r\nNO CARRIER\r\n")
        assert (await until(told, "context-lost")).cid == 2

    driven(test, tmp_path)


def test_a_data_call_is_made_in_the_vendors_way_and_looked_at(tmp_path: Path) -> None:
    async def test(modem: Modem, scripted: ScriptedModem, told: Told) -> None:
        scripted.script |= {"AT+QNETDEVCTL=1,2,1": OK, "AT+CGACT?": said("+CGACT: 2,1")}
        await modem.call("ecm")
        scripted.script["AT+CGACT?"] = said("+CGACT: 2,0")
        with pytest.raises(NoDataCall, match="was accepted and nothing is connected"):
            await modem.call("ecm", deadline_s=0.0)
        with pytest.raises(NoDataCall, match="mend: make it with qmicli"):
            await modem.call("qmi")

    driven(test, tmp_path)


def test_a_data_call_that_takes_its_time_is_waited_for(tmp_path: Path) -> None:
    async def test(modem: Modem, scripted: ScriptedModem, told: Told) -> None:
        asked = iter(["+CGACT: 2,0", "+CGACT: 2,1"])
        scripted.script |= {"AT+QNETDEVCTL=1,2,1": OK, "AT+CGACT?": lambda command: said(next(asked))}
        await modem.call("ecm")
        assert next(asked, None) is None

    driven(test, tmp_path)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ("\r\n+CME ERROR: 10\r\n", SimMissing, "there is no card"),
        (said("+CPIN: SIM PUK"), SimLocked, "wants a code: SIM PUK"),
        (said("+CPIN: PH-NET PIN"), SimLocked, "wants a code: PH-NET PIN"),
        ("\r\n+CME ERROR: 14\r\n", SimError, "busy for 0.1 s"),
    ],
)
def test_a_card_that_is_not_ready_says_why(answer: str, error: type[ModemError], words: str, tmp_path: Path) -> None:
    async def test(modem: Modem, scripted: ScriptedModem, told: Told) -> None:
        scripted.script["AT+CPIN?"] = answer
        with pytest.raises(error, match=words):
            await modem.sim.wait_ready(0.1)

    driven(test, tmp_path)


def test_a_pin_is_sent_once_and_never_again_after_a_refusal(tmp_path: Path) -> None:
    async def test(modem: Modem, scripted: ScriptedModem, told: Told) -> None:
        scripted.script |= {"AT+CPIN?": said("+CPIN: SIM PIN"), 'AT+CPIN="1234"': "\r\n+CME ERROR: 16\r\n"}
        for words in (r"refused the PIN \(16\)", "has refused a PIN already", "has refused a PIN already"):
            with pytest.raises(SimLocked, match=words) as locked:
                await modem.sim.wait_ready(1, pin="1234")
            assert "1234" not in str(locked.value)
        assert scripted.heard.count('AT+CPIN="1234"') == 1

    driven(test, tmp_path)


def test_a_pin_is_not_sent_where_somebody_has_used_up_an_attempt(tmp_path: Path) -> None:
    async def test(modem: Modem, scripted: ScriptedModem, told: Told) -> None:
        scripted.script |= {"AT+CPIN?": said("+CPIN: SIM PIN"), "AT+CPINR": said("+CPINR: SIM PIN,2,3")}
        with pytest.raises(SimLocked, match="has refused a PIN already"):
            await modem.sim.wait_ready(1, pin="1234")
        assert not [line for line in scripted.heard if line.startswith("AT+CPIN=")]
        scripted.script |= {"AT+CPINR": said("+CPINR: SIM PIN,3,3"), 'AT+CPIN="1234"': OK}
        await modem.sim.wait_ready(1, pin="1234")

    driven(test, tmp_path)


@pytest.mark.parametrize(
    ("answer", "roaming", "words"),
    [
        ("+CEREG: 2,3", True, "the network denied the registration"),
        ("+CEREG: 2,2", True, "not registered within 0.1 s, it is searching"),
        ("+CEREG: 2,5", False, "it roams, which is not allowed here"),
    ],
)
def test_no_service_says_why(answer: str, roaming: bool, words: str, tmp_path: Path) -> None:
    async def test(modem: Modem, scripted: ScriptedModem, told: Told) -> None:
        scripted.script |= {"AT+CEREG?": said(answer)}
        with pytest.raises(NoService, match=words):
            await modem.wait_registered(0.1, roaming=roaming)

    driven(test, tmp_path)


def test_a_registration_that_comes_while_we_wait_ends_the_waiting(tmp_path: Path) -> None:
    async def test(modem: Modem, scripted: ScriptedModem, told: Told) -> None:
        scripted.script |= {"AT+CEREG?": said("+CEREG: 2,2"), "AT+CGREG?": "ERROR\r\n"}
        waiting = asyncio.create_task(modem.wait_registered(30))
        await until(told, "searching")
        scripted.script["AT+CEREG?"] = said("+CEREG: 2,5")
        scripted.send("\r\n+CEREG: 5\r\n")
        assert await waiting == "roaming"

    driven(test, tmp_path)


def test_a_reset_is_followed_until_the_modem_is_back_under_another_node(tmp_path: Path) -> None:
    async def test(modem: Modem, scripted: ScriptedModem, told: Told) -> None:
        def reset(command: str) -> str | None:
            loop = asyncio.get_running_loop()
            loop.call_soon(scripted.unplug)
            loop.call_later(0.05, scripted.plug)
            return OK

        scripted.script["AT+CFUN=1,1"] = reset
        await modem.reset()
        assert whats(told) == ["registered", "gone", "back", "registered"]
        assert (await modem.signal()).known

    driven(test, tmp_path)


def test_pulled_out_is_told_and_every_question_fails_until_it_is_back(tmp_path: Path) -> None:
    async def test(modem: Modem, scripted: ScriptedModem, told: Told) -> None:
        scripted.unplug()
        await until(told, "gone")
        with pytest.raises(PortGone):
            await modem.signal()
        scripted.plug()
        await modem.open(10)
        assert whats(told) == ["registered", "gone", "back", "registered"]

    driven(test, tmp_path)


def test_recovery_climbs_until_the_context_is_there_again(tmp_path: Path) -> None:
    async def test(modem: Modem, scripted: ScriptedModem, told: Told) -> None:
        await modem.connect("ims")
        scripted.script["AT+CGACT=1,2"] = "\r\n+CME ERROR: 148\r\n"

        def radio_off(command: str) -> str:
            scripted.script["AT+CGACT=1,2"] = OK
            return OK

        scripted.script["AT+CFUN=4"] = radio_off
        steps: list[Step] = []
        last = await repair.recover(modem, "ims", tell=steps.append)
        assert [(step.rung, step.outcome) for step in steps] == [
            ("re-dial", "failed"),
            ("re-dial", "failed"),
            ("cfun-cycle", "works"),
        ]
        assert last is steps[-1] and steps[0].why.startswith("context 2 was refused")

    driven(test, tmp_path)


class Power:
    """A USB port's power, and the modem on it."""

    def __init__(self, scripted: ScriptedModem) -> None:
        self.scripted, self.on = scripted, True

    def set_on(self, on: bool) -> None:
        self.on = on
        (self.scripted.plug if on else self.scripted.unplug)()

    def is_on(self) -> bool:
        return self.on


def test_a_modem_that_is_away_is_brought_back_by_its_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "POWER_OFF_S", 0.01)

    async def test(modem: Modem, scripted: ScriptedModem, told: Told) -> None:
        scripted.unplug()
        await until(told, "gone")
        steps: list[Step] = []
        await repair.recover(modem, "ims", tell=steps.append, power=Power(scripted))
        assert [(step.rung, step.outcome) for step in steps] == [
            ("re-dial", "skipped"),
            ("cfun-cycle", "skipped"),
            ("reset", "skipped"),
            ("usb-power", "works"),
        ]
        assert whats(told) == ["registered", "gone", "back", "registered", "context-up"]

    driven(test, tmp_path)


def test_when_nothing_helps_the_whole_ladder_is_in_the_error(tmp_path: Path) -> None:
    async def test(modem: Modem, scripted: ScriptedModem, told: Told) -> None:
        scripted.script["AT+CGACT=1,2"] = "\r\nERROR\r\n"
        steps: list[Step] = []
        with pytest.raises(RecoveryFailed, match="re-dial 1: context 2 was refused"):
            ladder = (Rung("re-dial", 1, 20.0), Rung("usb-power", 1, 20.0))
            await repair.recover(modem, "ims", tell=steps.append, ladder=ladder)
        assert [step.outcome for step in steps] == ["failed", "skipped"]

    driven(test, tmp_path)


def test_a_modem_that_answers_only_error_is_generic_and_says_no_service(tmp_path: Path) -> None:
    async def run() -> None:
        with ScriptedModem({}) as scripted:
            modem = Modem(PortName.parse(scripted.path))
            await modem.open(10)
            assert (modem.vendor.name, modem.identity) == ("generic", Identity())
            with pytest.raises(NoService):
                await modem.wait_registered(0.1)
            assert not (await modem.signal()).known
            modem.close()

    asyncio.run(run())
