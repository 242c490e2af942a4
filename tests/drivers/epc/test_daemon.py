"""A daemon of a core: ready by its words, in time or not, ended by itself, a peer that closes on it."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from drivers.epc.daemon import Daemon, Recipe, wait_ready
from drivers.epc.errors import CoreFailed
from drivers.host.local import LocalHost

SLEEPS = "import time; time.sleep(60)"
SAID = threading.Condition()


def daemon(code: str, *ready: str, hopeless: tuple[str, ...] = ()) -> Daemon:
    return Daemon(LocalHost(), Recipe("mme", (sys.executable, "-c", code), ready, hopeless), None, SAID)


def wait(*daemons: Daemon, seconds: float = 30.0) -> None:
    wait_ready(daemons, SAID, time.monotonic() + seconds)


def test_it_is_ready_once_it_has_said_everything_colours_apart() -> None:
    one = daemon(
        rf"print('\x1b[37mstarted\x1b[0m'); print('\x1b[37mCONNECTED\x1b[0m to hss'); {SLEEPS}",
        "started",
        "CONNECTED to",
    )
    try:
        wait(one)
        assert one.lines == ("started", "CONNECTED to hss")
        one.check()
    finally:
        one.end()


def test_one_that_ends_is_told_with_its_own_words_of_trouble() -> None:
    one = daemon("print('INFO: hello'); print('ERROR: no MongoDB at 127.0.0.1'); raise SystemExit(4)", "started")
    with pytest.raises(
        CoreFailed, match=r"mme on this machine: ended with status 4: ERROR: no MongoDB at 127\.0\.0\.1"
    ):
        wait(one)
    with pytest.raises(CoreFailed, match="has ended by itself with status 4"):
        one.check()


def test_one_that_does_not_come_up_is_told_with_what_it_lacks() -> None:
    one = daemon(f"print('started'); {SLEEPS}", "started", "CONNECTED TO 'hss'")
    try:
        with pytest.raises(CoreFailed, match=r"has not said in time: CONNECTED TO 'hss'"):
            wait(one, seconds=0.5)
    finally:
        one.end()


def test_a_peer_that_closes_does_not_kill_it() -> None:
    code = "import os, signal; print(signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN)"
    one = daemon(f"{code}; {SLEEPS}", "True")
    try:
        wait(one)
    finally:
        one.end()


def test_one_that_runs_on_without_hope_is_not_ready() -> None:
    one = daemon(f"print('ASSERT: no address'); print('started'); {SLEEPS}", "started", hopeless=("ASSERT:",))
    try:
        with pytest.raises(CoreFailed, match=r"mme on this machine: cannot do its work: ASSERT: no address"):
            wait(one)
    finally:
        one.end()


def test_one_that_fails_is_told_before_the_others_have_come_up() -> None:
    slow, broken = daemon(SLEEPS, "started"), daemon("raise SystemExit(3)", "started")
    try:
        with pytest.raises(CoreFailed, match="ended with status 3, without a word"):
            wait(slow, broken)
    finally:
        slow.end()
