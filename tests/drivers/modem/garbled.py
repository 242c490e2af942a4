"""Bytes as a bad modem sends them: real answers' words in wrong places, cut, doubled and mixed with noise."""

from __future__ import annotations

import random

from drivers.modem.responses.table import PARSERS

WORDS = [
    *(name.removesuffix("=?").encode() for name in PARSERS),
    *b"OK|ERROR|+CME ERROR: |+CME ERROR: 3|+CMS ERROR:|NO CARRIER|BUSY|CONNECT 1|RING|AT+CSQ|AT".split(b"|"),
    *b'"servingcell"|"neighbourcell intra"|"LTE"|"NR5G-NSA"|"NR5G-SA"|LTE|NOSERVICE|READY|SIM PIN'.split(b"|"),
    *b'"IP"|IPV4|IPV6|10.0.0.1|255.255.255.0|10.0.0.1.255.0.0.0|fe80::1|fe80::1/64|BAND_LTE_3'.split(b"|"),
    *b"1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16|NW DETACH|ME DEACT|NW PDN ACT 1|REJECT IP".split(b"|"),
    *b"Cell ID: 02 (3)|LTE band: B3|286016339612498|14/08/05|04:00:21+40".split(b"|"),
    *b"0|1|2|7|99|255|4294967295|-1|-140|0x1F|FFFFFFFFFFFFFFFFFFFF|1.5|1e9|--|-|\xd9\xa3|\xff\xfe|\0|>".split(b"|"),
]
JOINTS = [
    b",",
    b",",
    b",",
    b": ",
    b":",
    b" ",
    b"\r\n",
    b"\r\n",
    b"\r",
    b"\n",
    b'"',
    b"(",
    b")",
    b"\t",
    b"  ",
    b"/",
    b".",
]


def garbled(chance: random.Random) -> bytes:
    """One input of up to some 150 bytes."""
    parts = []
    for _ in range(chance.randint(0, 14)):
        parts += [chance.choice(WORDS), chance.choice(JOINTS)]
    data = bytearray(b"".join(parts))
    if data and chance.random() < 0.3:
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def changed(text: str, chance: random.Random) -> str:
    """A real answer with a few places cut out, doubled or overwritten."""
    for _ in range(chance.randint(1, 4)):
        start = chance.randint(0, len(text))
        end = min(len(text), start + chance.randint(0, 6))
        put = chance.choice([text[start:end] * 2, "", chance.choice(JOINTS).decode(), chr(chance.randint(0, 0x2FF))])
        text = text[:start] + put + text[end:]
    return text


VALUES = [
    *["", "0", "1", "1", "2", "3", "5", "7", "11", "17", "99", "255", "310", "1500", "-84", "-140", "-32768", "+3"],
    *[
        "8BE3",
        "0xa3ec5c64",
        "1010A0A",
        "02BAF",
        "FFFFFFFFFF",
        "123456789012345678901234",
        "0x",
        "-",
        "--",
        "1.5",
        "-9.0",
    ],
    *["10.0.0.1", "255.255.255.0", "10.0.0.1.255.0.0.0", "fe80::1", "fe80::1/64", "0.0.0.0", "1.2.3.4/33", "300.1.1.1"],
    *["1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16", "LTE", "NR5G-SA", "servingcell", "neighbourcell intra", "NOCONN"],
    *[
        "IP",
        "IPV6",
        "(1-10)",
        "(1",
        "READY",
        "SIM PIN",
        "286016339612498",
        "31026",
        "460-01",
        "BAND_LTE_3",
        "ME DEACT 3",
    ],
]


def line(name: str, chance: random.Random) -> str:
    """An information text that could be one: a name and fields, most of them of some sense."""
    values = chance.choices(VALUES, k=chance.choice([1, 2, 3, 5, 6, 8, 12, 13, 15, 17, 20]))
    shown = [f'"{value}"' if chance.random() < 0.3 else value for value in values]
    return f"{name.removesuffix('=?')}:{chance.choice(['', ' '])}{','.join(shown)}"
