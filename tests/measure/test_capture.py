"""Captures run for real: dumpcap in namespaces of this test's own, with a veth pair between them."""

from __future__ import annotations

import os
import secrets
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from testbed.errors import RigError
from testbed.measure.capture import SENTINEL, Capture, socket_in_namespace

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and captures need root")


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def tshark(path: Path, *arguments: str) -> list[str]:
    done = subprocess.run(["tshark", "-r", str(path), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


@pytest.fixture
def pair() -> Iterator[tuple[str, str]]:
    """Two namespaces joined by a veth pair, 10.77.0.1 and 10.77.0.2."""
    left, right = (f"cap{secrets.token_hex(3)}{side}" for side in "lr")
    try:
        for name in (left, right):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", left, "link", "add", "lte", "type", "veth", "peer", "name", "lte", "netns", right)
        for name, address in ((left, "10.77.0.1/24"), (right, "10.77.0.2/24")):
            ip("-n", name, "addr", "add", address, "dev", "lte")
            ip("-n", name, "link", "set", "lte", "up")
        yield left, right
    finally:
        for name in (left, right):
            subprocess.run(["ip", "netns", "del", name], check=False)


def test_it_writes_into_somebody_elses_folder_as_its_owner(pair: tuple[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, 12345, 12345)
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(parent.stat().st_mode | 0o011)
    with Capture(folder / "left.pcapng", namespace=pair[0]) as capture:
        assert capture.stop().received > 0
    assert capture.path.stat().st_uid == 12345


def test_every_packet_sent_between_start_and_stop_is_in_the_file(pair: tuple[str, str], tmp_path: Path) -> None:
    left, _ = pair
    captures = [Capture(tmp_path / f"{name}.pcapng", namespace=name) for name in pair]
    for capture in captures:
        capture.launch()
    for capture in captures:
        capture.wait_ready()
    with socket_in_namespace(left) as sender:
        for number in range(500):
            sender.sendto(b"packet %d" % number, ("10.77.0.2", 4000))
    for capture in captures:
        capture.announce_stop()
    stats = [capture.stop() for capture in captures]
    for capture, counted in zip(captures, stats, strict=True):
        assert len(tshark(capture.path, "-Y", "udp.dstport == 4000 && !icmp")) == 500
        assert counted.dropped == 0
        assert counted.received >= 502


def test_the_capture_outlives_an_interface_that_goes_down(pair: tuple[str, str], tmp_path: Path) -> None:
    left, _ = pair
    capture = Capture(tmp_path / "ue.pcapng", namespace=left)
    with capture, socket_in_namespace(left) as sender:
        sender.sendto(b"before", ("10.77.0.2", 4000))
        ip("-n", left, "link", "set", "lte", "down")
        sender.sendto(b"after", ("127.0.0.1", 4000))
        capture.stop()
    lines = tshark(
        capture.path, "-Y", "udp.port == 4000 && !icmp", "-T", "fields", "-e", "sll.ifindex", "-e", "udp.length"
    )
    assert len(lines) == 2
    assert lines[0].split()[0] != lines[1].split()[0], "the interface index is told for each packet"


def test_the_captures_stamps_have_nanoseconds_and_the_link_type_sll2(tmp_path: Path, pair: tuple[str, str]) -> None:
    capture = Capture(tmp_path / "ue.pcapng", namespace=pair[0])
    with capture:
        capture.stop()
    said = subprocess.run(["capinfos", str(capture.path)], check=True, capture_output=True, text=True).stdout
    assert "Linux cooked-mode capture v2" in said
    assert "nanoseconds" in said
    assert len(tshark(capture.path, "-Y", f"!icmp && frame contains {SENTINEL.encode().hex(':')}")) == 2


def test_a_rig_may_start_the_capture_in_the_namespace_itself(pair: tuple[str, str], tmp_path: Path) -> None:
    left, started = pair[0], []

    def spawn(argv: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        started.append(list(argv))
        with log.open("wb") as stream:
            return subprocess.Popen(["nsenter", f"--net=/run/netns/{left}", *argv], stdout=stream, stderr=stream)

    capture = Capture(tmp_path / "ue.pcapng", namespace=left, spawn=spawn)
    with capture, socket_in_namespace(left) as sender:
        sender.sendto(b"inside", ("10.77.0.2", 4000))
        capture.stop()
    assert "netns" not in started[0]
    assert len(tshark(capture.path, "-Y", "udp.dstport == 4000 && !icmp")) == 1


def test_a_namespace_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RigError, match=r"nowhere-at-all.*cannot be started"):
        Capture(tmp_path / "ue.pcapng", namespace="nowhere-at-all").start()


def test_a_folder_that_is_not_there_is_a_sentence_with_what_dumpcap_said(tmp_path: Path, pair: tuple[str, str]) -> None:
    capture = Capture(tmp_path / "missing" / "ue.pcapng", namespace=pair[0], log=tmp_path / "log")
    with pytest.raises(RigError, match=r"(?s)dumpcap ended by itself.*dumpcap:"):
        capture.start()


def test_a_loopback_that_is_down_is_a_sentence(tmp_path: Path, pair: tuple[str, str]) -> None:
    ip("-n", pair[0], "link", "set", "lo", "down")
    with pytest.raises(RigError, match="`lo` is up"):
        Capture(tmp_path / "ue.pcapng", namespace=pair[0]).start(timeout=2)


def test_a_capture_killed_from_outside_is_an_error_at_its_stop(tmp_path: Path, pair: tuple[str, str]) -> None:
    capture = Capture(tmp_path / "ue.pcapng", namespace=pair[0])
    with capture:
        assert capture.pid is not None
        os.kill(capture.pid, 9)
        with pytest.raises(RigError, match="ended by itself"):
            capture.stop()


def test_dumpcap_dies_with_the_process_that_started_it(tmp_path: Path, pair: tuple[str, str]) -> None:
    script = (
        "import os, pathlib, sys; from testbed.measure.capture import Capture\n"
        "capture = Capture(pathlib.Path(sys.argv[1]), namespace=sys.argv[2]); capture.start()\n"
        "print(capture.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "ue.pcapng"), pair[0]],
        capture_output=True,
        text=True,
        check=False,
    )
    descriptor = None
    try:
        descriptor = os.pidfd_open(int(done.stdout))
    except ProcessLookupError:
        return
    assert select.select([descriptor], [], [], 5)[0], "dumpcap still runs after its controller was killed"
