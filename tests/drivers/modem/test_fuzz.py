"""No bytes make the channel or a parser raise anything but our own error, and pieces do not matter.

MODEM_FUZZ_INPUTS says how many inputs; each run takes others, and MODEM_FUZZ_SEED repeats the one that failed.
"""

from __future__ import annotations

import json
import os
import random

import pytest
from garbled import changed, garbled, line
from real_responses import MISSING, ROWS

from drivers.modem.at.channel import AtChannel, Event
from drivers.modem.at.command import Command
from drivers.modem.errors import ResponseError
from drivers.modem.responses.table import ASPECTS, PARSERS, parse

INPUTS = int(os.environ.get("MODEM_FUZZ_INPUTS", "6000"))
SEED = int(os.environ.get("MODEM_FUZZ_SEED", random.SystemRandom().randrange(1 << 32)))
NAMES = [*PARSERS, *ASPECTS]


def reads_or_refuses(command: str, answer: str, origin: str) -> None:
    try:
        parsed = parse(command, answer)
    except ResponseError:
        return
    except Exception as other:  # that is what we look for: anything else is a defect
        pytest.fail(f"{origin}: parse({command!r}, {answer!r}) raised {other!r}")
    json.dumps(parsed)  # it is to be printed as JSON


def events_of(pieces: list[bytes], command: Command) -> list[Event]:
    channel = AtChannel()
    channel.submit(command, 0.0)
    return [event for piece in pieces for event in channel.receive(piece, 1.0)]


@pytest.mark.timeout(0)
def test_garbage_is_read_or_refused_whole_and_byte_by_byte() -> None:
    chance = random.Random(SEED)
    commands = [Command("AT+CREG?"), Command("AT+CMGS=1", payload=b"0"), Command("AT+COPS=?;+CSQ")]
    for number in range(INPUTS):
        data, command = garbled(chance), chance.choice(commands)
        origin = f"MODEM_FUZZ_SEED={SEED}, input {number}"
        whole = events_of([data], command)
        assert events_of([bytes((byte,)) for byte in data], command) == whole, f"{origin}: {data!r}"
        name = chance.choice(NAMES)
        reads_or_refuses(name, data.decode("latin-1"), origin)
        reads_or_refuses(name, "\r\n".join(line(name, chance) for _ in range(chance.randint(1, 3))), origin)


@pytest.mark.skipif(not ROWS, reason=MISSING)
def test_a_real_response_that_was_damaged_is_read_or_refused() -> None:
    chance = random.Random(SEED)
    for number in range(INPUTS):
        row = chance.choice(ROWS)
        origin = f"MODEM_FUZZ_SEED={SEED}, damage {number}"
        reads_or_refuses(row["command"], changed(row["raw"], chance), origin)
