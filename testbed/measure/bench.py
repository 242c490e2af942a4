"""How fast a capture is analysed, beside tshark on the same file: one part of `testbed bench`."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from testbed.measure.packets import read_packets
from testbed.measure.pcapng_writer import PcapngWriter, rtp, sll2, udp_packet
from testbed.measure.rtp import StreamFigures, figures, read_rtp

PTIME_NS = 20_000_000
START_NS = 1_700_000_000_000_000_000


def write_capture(path: Path, packets: int) -> None:
    """A call of both directions; every 50th packet of one direction is an RTCP report, so that lengths change."""
    up = udp_packet("10.1.0.2", 40000, "10.3.0.2", 40000, bytes(172))[:28]
    down = udp_packet("10.3.0.2", 40000, "10.1.0.2", 40000, bytes(172))[:28]
    report = sll2(udp_packet("10.1.0.2", 40001, "10.3.0.2", 40001, b"\x80\xc8" + bytes(26)), outgoing=True)
    with PcapngWriter(path) as writer:
        for number in range(packets // 2):
            now = START_NS + number * PTIME_NS
            writer.write(now, sll2(up + rtp(number, number * 160, 0x1111), outgoing=True))
            writer.write(now + 7_000_000, sll2(down + rtp(number, number * 160, 0x2222)))
            if number % 50 == 0:
                writer.write(now + 8_000_000, report)


def analyse(path: Path) -> list[StreamFigures]:
    """What tshark does with `-z rtp,streams`: every stream's packets, losses, largest gap, jitter."""
    return [figures(stream) for stream in read_rtp(read_packets(path)).by_ssrc().values()]


def tshark(path: Path) -> None:
    """The same by tshark, told which port carries RTP so that it need not guess."""
    command = ["tshark", "-r", str(path), "-q", "-n", "-d", "udp.port==40000,rtp", "-z", "rtp,streams"]
    subprocess.run(command, check=True, capture_output=True)


def compare(packets: int) -> tuple[float, float]:
    """Packets per second of our analysis and of tshark's, on the same file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "call.pcapng"
        write_capture(path, packets)
        analyse(path)  # the file is in the page cache for both
        speeds = []
        for work in (analyse, tshark):
            begin = time.perf_counter()
            work(path)
            speeds.append(packets / (time.perf_counter() - begin))
    return speeds[0], speeds[1]
