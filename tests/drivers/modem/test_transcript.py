"""A transcript holds every byte but no secret, and plays again."""

from __future__ import annotations

import asyncio
import io
import json

import pytest
from scripted_modem import ScriptedModem, said

from drivers.modem import transcript
from drivers.modem.errors import ModemError
from drivers.modem.player import Player
from drivers.modem.port import AtPort
from drivers.modem.transcript import Chunk, Recorder

SCRIPT = {"AT+CSQ": said("+CSQ: 17,99"), 'AT+CPIN="1234"': "\r\nOK\r\n", "AT+CGMM": said("\xff\x00EC25")}


def recorded(*commands: str) -> str:
    async def run() -> str:
        file = io.StringIO()
        recorder = Recorder(file, "test")
        with ScriptedModem(SCRIPT) as modem:
            port = AtPort(modem.path, recorder=recorder)
            for command in commands:
                await port.at(command)
            port.close()
        recorder.close()
        return file.getvalue()

    return asyncio.run(run())


def played(text: str, *commands: str) -> list[list[str]]:
    async def run() -> list[list[str]]:
        with Player(transcript.parse(text.splitlines(), "test")) as player:
            playing = asyncio.create_task(player.play(10))
            port = AtPort(player.path)
            asked = asyncio.gather(*(port.at(command, 10) for command in commands))
            await asyncio.wait([playing, asked], return_when=asyncio.FIRST_EXCEPTION)
            port.close()
            playing.cancel()
            ends = await asyncio.gather(playing, asked, return_exceptions=True)
            for end in ends:
                if isinstance(end, ModemError):
                    raise end
            return asked.result()

    return asyncio.run(run())


def test_a_recorded_dialogue_plays_again_byte_for_byte() -> None:
    text = recorded("AT+CSQ", "AT+CGMM")
    assert played(text, "AT+CSQ", "AT+CGMM") == [["+CSQ: 17,99"], ["\\xffEC25"]]
    chunks = list(transcript.parse(text.splitlines(), "test"))
    assert b"".join(chunk.data for chunk in chunks if chunk.direction == "in").endswith(b"\xff\x00EC25\r\n\r\nOK\r\n")
    assert [chunk.t_s for chunk in chunks] == sorted(chunk.t_s for chunk in chunks)


def test_a_program_that_says_something_else_is_told_where() -> None:
    with pytest.raises(ModemError, match=r"transcript, chunk 1: the program wrote b'AT\+CSX"):
        played(recorded("AT+CSQ"), "AT+CSX")


def test_a_pin_is_in_no_transcript_and_the_transcript_still_plays() -> None:
    text = recorded('AT+CPIN="1234"')
    assert "1234" not in text
    assert played(text, 'AT+CPIN="1234"') == [[]]


def test_a_secret_is_crossed_out_though_it_comes_in_pieces() -> None:
    file = io.StringIO()
    recorder = Recorder(file, "test", clock=lambda: 0.0)
    for piece in (b"\r\n+CG", b'LA: 6,"DB', b"0812", b'"\r\n\r\nOK', b"\r\n"):
        recorder.received(piece)
    recorder.sent(b"at+cpin=12")
    recorder.close()
    assert "DB" not in file.getvalue() and "0812" not in file.getvalue() and '12"' not in file.getvalue()
    chunks = list(transcript.parse(file.getvalue().splitlines(), "test"))
    assert b"".join(chunk.data for chunk in chunks) == b"\r\n+CGLA:***********\r\n\r\nOK\r\nat+cpin=**"


def test_a_prompt_is_written_as_it_comes() -> None:
    file = io.StringIO()
    recorder = Recorder(file, "test", clock=lambda: 0.0)
    recorder.received(b"\r\n> ")
    assert list(transcript.parse(file.getvalue().splitlines(), "t")) == [Chunk(0.0, "in", b"\r\n> ")]


def test_with_secrets_every_chunk_is_as_it_came() -> None:
    file = io.StringIO()
    recorder = Recorder(file, "test", secrets=True, clock=lambda: 0.0)
    recorder.received(b"+CGLA: ")
    recorder.received(b"4\r\n")
    assert [json.loads(line).get("data") for line in file.getvalue().splitlines()[1:]] == ["+CGLA: ", "4\r\n"]


@pytest.mark.parametrize("line", ["x", "[]", "{}", '{"t_s": 0, "dir": "up", "data": ""}', '{"transcript": 2}'])
def test_what_is_no_transcript_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(ModemError, match="file:2: no line of a transcript"):
        list(transcript.parse(['{"transcript": 1}', line], "file"))
