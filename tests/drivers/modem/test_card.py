"""AKA by a card that computes Milenage: both applications, both paths, every way a reply is fetched, every refusal."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_card import ISIM, USIM, CardModem, ScriptedCard
from scripted_modem import ScriptedModem

from drivers.modem.card.aka import CardAka
from drivers.modem.card.apdu import Apdu, Reply
from drivers.modem.card.authentication import Keys, OutOfStep, authenticate, result
from drivers.modem.card.identities import Identities, of_imsi
from drivers.modem.errors import CardRefused, ForeignNetwork, ModemError, SimError
from drivers.modem.port import AtPort
from drivers.modem.transcript import Recorder
from testbed.ims.aka import SoftwareSim, Vector, generate_vector, resynchronise

K, OPC = bytes(range(16)), bytes(range(16, 32))
RAND, AMF = bytes(range(32, 48)), b"\x80\x00"
SQN = 64


def vector(sqn: int = SQN) -> Vector:
    return generate_vector(K, OPC, AMF, sqn, RAND)


@dataclass
class Asked:
    answer: Keys | OutOfStep | ModemError
    way: str
    transcript: str


def ask(card: ScriptedCard, *challenges: Vector, paths: tuple[str, ...] = ("+CGLA", "+CSIM")) -> Asked:
    async def run() -> Asked:
        file = io.StringIO()
        recorder = Recorder(file, "test")
        modem = CardModem(card, paths)
        with ScriptedModem({}) as scripted:
            scripted._answer = lambda command: scripted.send(modem(command))  # type: ignore[method-assign]
            port = AtPort(scripted.path, recorder=recorder)
            aka = CardAka(port.run)
            answer: Keys | OutOfStep | ModemError
            for challenge in challenges:
                try:
                    answer = await aka.authenticate(challenge.rand, challenge.autn)
                except ModemError as error:
                    answer = error
            port.close()
        recorder.close()
        return Asked(answer, str(aka.way), file.getvalue())

    asked = asyncio.run(run())
    assert list(card.channels) == [0], "every logical channel was given back"
    return asked


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(("paths", "path"), [(("+CGLA", "+CSIM"), "+CGLA"), (("+CSIM",), "+CSIM")])
@pytest.mark.parametrize(("applications", "name"), [((ISIM, USIM), "ISIM"), ((USIM,), "USIM")])
def test_the_card_answers_a_challenge(
    applications: tuple[str, ...], name: str, paths: tuple[str, ...], path: str, waits: bool, exact: bool
) -> None:
    card = ScriptedCard(SoftwareSim(K, OPC), applications, waits=waits, exact=exact)
    asked = ask(card, vector(), paths=paths)
    assert asked.answer == Keys(vector().xres, vector().ck, vector().ik)
    assert asked.way == f"{name} over {path}"
    assert (0xC0 in card.instructions) is waits


def test_a_modem_that_keeps_authenticate_to_itself_is_asked_the_other_way() -> None:
    asked = ask(ScriptedCard(SoftwareSim(K, OPC)), vector(), paths=("+CCHO", "+CSIM"))
    assert isinstance(asked.answer, Keys)
    assert asked.way == "ISIM over +CSIM"


def test_a_stale_challenge_is_answered_with_auts_that_the_network_understands() -> None:
    asked = ask(ScriptedCard(SoftwareSim(K, OPC, sqn_ms=4096)), vector())
    assert isinstance(asked.answer, OutOfStep)
    assert resynchronise(K, OPC, RAND, asked.answer.auts) == 4096


def test_a_second_challenge_goes_the_way_that_worked() -> None:
    card = ScriptedCard(SoftwareSim(K, OPC), (USIM,))
    assert isinstance(ask(card, vector(), vector(SQN + 33)).answer, Keys)
    assert card.instructions.count(0x88) == 2 and 0x70 in card.instructions, (
        "the ISIM was looked for once, on both paths"
    )
    assert card.instructions.count(0x70) == 2


def test_a_foreign_network_is_told_apart_and_no_other_application_asked() -> None:
    card = ScriptedCard(SoftwareSim(K, bytes(16)))
    asked = ask(card, vector())
    assert isinstance(asked.answer, ForeignNetwork)
    assert card.instructions.count(0x88) == 1


def test_a_card_without_either_application_is_said_with_every_way_tried() -> None:
    asked = ask(ScriptedCard(SoftwareSim(K, OPC), ()), vector())
    assert isinstance(asked.answer, SimError)
    for way in ("ISIM over +CGLA", "ISIM over +CSIM", "USIM over +CGLA", "USIM over +CSIM"):
        assert way in str(asked.answer)
    assert "6A82, the application or file is not on the card" in str(asked.answer)


def test_no_key_and_no_challenge_is_in_a_transcript_an_error_or_a_representation() -> None:
    asked = ask(ScriptedCard(SoftwareSim(K, OPC)), vector())
    secrets = [vector().xres, vector().ck, vector().ik]
    shown = asked.transcript + repr(asked.answer) + repr(authenticate(RAND, vector().autn))
    assert "+CGLA" in shown
    for secret in secrets:
        assert secret.hex().upper() not in shown.upper()


def test_the_command_is_coded_as_ts_31_103_has_it() -> None:
    command = bytes(authenticate(RAND, bytes(16)))
    assert command.hex() == "0088008122" + "10" + RAND.hex() + "10" + bytes(16).hex() + "00"


@pytest.mark.parametrize(("channel", "cla"), [(0, 0x00), (1, 0x01), (3, 0x03), (4, 0x40), (19, 0x4F)])
def test_a_logical_channel_is_in_the_class(channel: int, cla: int) -> None:
    assert bytes(Apdu(0xA4, 4, 12, b"\xa0").on_channel(channel)) == bytes((cla, 0xA4, 4, 12, 1, 0xA0))


def test_a_usims_reply_may_hold_kc_as_well() -> None:
    parts = b"\xdb\x08" + bytes(8) + b"\x10" + bytes(16) + b"\x10" + bytes(16) + b"\x08" + bytes(8)
    assert result(Reply(parts, 0x9000)) == Keys(bytes(8), bytes(16), bytes(16))


def test_what_the_card_refuses_is_said_in_words() -> None:
    with pytest.raises(CardRefused, match="6982, the PIN was not given") as refused:
        result(Reply(b"", 0x6982))
    assert refused.value.status == 0x6982


@pytest.mark.parametrize(("digits", "mnc"), [(2, "001"), (3, "010")])
def test_without_an_isim_the_identities_follow_from_the_imsi(digits: int, mnc: str) -> None:
    domain = f"ims.mnc{mnc}.mcc001.3gppnetwork.org"
    expected = Identities(f"001010000000001@{domain}", (f"sip:001010000000001@{domain}",), domain)
    assert of_imsi("001010000000001", digits) == expected


@given(st.one_of(st.binary(max_size=60), st.binary(max_size=58).map(lambda data: b"\xdb\x08" + data)))
def test_any_reply_is_keys_or_auts_or_refused(data: bytes) -> None:
    try:
        answer = result(Reply(data, 0x9000))
    except SimError:
        return
    assert isinstance(answer, Keys | OutOfStep)
