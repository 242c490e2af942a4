"""Rig tests in a guest: one pytest inside runs them, the outer pytest reports them as its own.

Outside, `RigTests` is a plugin (tests/conftest.py registers it).  Inside, this file is the program: it runs the tests
named on its command line and writes one JSON line for each event to standard output; pytest's own words go to standard
error.  The reports cross as pytest's own serialised form, as with pytest-xdist.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pytest

FOLDER = "build/rig-tests"
KEPT, KEPT_AT_LEAST_S = 10, 3600.0
TOO_EARLY = "the guest ended, or fell silent, before"
END_DEADLINE_S = 20.0
START_DEADLINE_S = 120.0  # the guest's start, imports and collection, on a busy machine


class RigTests:
    """Takes the tests marked `rig` out of the ordinary loop and has them run where a rig can be."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        everything = session.items
        rig = [item for item in everything if item.get_closest_marker("rig")]
        if not rig or self.config.option.collectonly:
            return (yield)
        simulated = [item for item in rig if item.get_closest_marker("simulated")]
        real = [item for item in rig if item not in set(simulated)]
        real, simulated = real if self._elsewhere(real) else [], self._simulated(simulated)
        session.items = [item for item in everything if item not in {*real, *simulated}]
        with contextlib.ExitStack() as guests:
            # Load changes nothing in simulated time: that guest works beside all the others from the beginning.
            beside = guests.enter_context(Guest(session, simulated, "simulated")) if simulated else None
            try:
                result = yield
                # A guest has one processor, and most machines have two.
                halves = [guests.enter_context(Guest(session, half, "real")) for half in _halves(real) if half]
                for guest in halves:
                    self._take(session, guest)
                if beside:
                    self._take(session, beside)
            finally:
                session.items = everything
        return result

    def _elsewhere(self, rig: list[pytest.Item]) -> bool:
        """Whether the rig tests run in a guest; where they can run nowhere they are skipped, with the reason."""
        from testbed.errors import RigError
        from testbed.rig.kernel.choose import choose

        if not rig:
            return False
        try:
            return choose(self.config.getoption("kernel")).kernel != "host"
        except RigError as cannot:
            for item in rig:
                item.add_marker(pytest.mark.skip(reason=str(cannot).replace("\n", " ")))
            return False

    def _simulated(self, items: list[pytest.Item]) -> list[pytest.Item]:
        """Those that run in a guest whose time is simulated: all, or none where there is no rig kernel."""
        from testbed.errors import RigError
        from testbed.rig.kernel.choose import choose, current

        if not items or current() != "host":
            return []
        try:
            choose("auto", "simulated")
        except RigError as cannot:
            for item in items:
                item.add_marker(pytest.mark.skip(reason=str(cannot).replace("\n", " ")))
            return []
        return items

    def _take(self, session: pytest.Session, guest: Guest, *, again: bool = True) -> None:
        """Report a guest's tests, to the last; once more in another one where its kernel panicked."""
        failed_before = session.testsfailed
        waiting = {item.nodeid: item for item in guest.items}
        self._relay(session, waiting, guest)
        if waiting and again and guest.panicked():
            # Seen when a process was killed in the middle of a fork: the guest kernel's fault, and no test's.
            print(f"\nthe guest kernel panicked ({guest.kernel_log}): {len(waiting)} tests run in another guest")
            with Guest(session, [*waiting.values()], guest.clock) as other:
                self._take(session, other, again=False)
            return
        self._tell_lost(waiting, guest)
        if session.testsfailed == failed_before:
            shutil.rmtree(guest.folder)

    def _relay(self, session: pytest.Session, waiting: dict[str, pytest.Item], guest: Guest) -> None:
        began_s = 0.0
        for at_s, event in guest.events():
            if "start" in event:
                item = waiting[event["start"]]
                item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
                began_s = at_s
                continue
            report = self.config.hook.pytest_report_from_serializable(config=self.config, data=event["report"])
            report.duration, began_s = at_s - began_s, at_s  # by the clock on the wall, not by a simulated one
            if isinstance(report.longrepr, list):  # why a test was skipped: JSON knows no tuples
                report.longrepr = tuple(report.longrepr)
            item = waiting[report.nodeid]
            item.ihook.pytest_runtest_logreport(report=report)
            if report.when == "teardown":
                item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
                del waiting[report.nodeid]
        # After the last failure that is allowed (-x) the pytest inside ends by itself, and undoes its rigs.
        if session.shouldfail:
            raise session.Failed(session.shouldfail)

    def _tell_lost(self, waiting: dict[str, pytest.Item], guest: Guest) -> None:
        for number, item in enumerate(waiting.values()):
            text = f"not run: {TOO_EARLY} it came to it"
            if number == 0:
                text = f"{TOO_EARLY} this test was done{guest.last_words()}"
            report = pytest.TestReport(item.nodeid, item.location, {}, "failed", text, "call")
            item.ihook.pytest_runtest_logreport(report=report)


def _halves(items: Sequence[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Two lists of much the same length, neither with a part of a file: what a module has made is made once."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    halves: tuple[list[pytest.Item], list[pytest.Item]] = ([], [])
    for file in files.values():
        min(halves, key=len).extend(file)
    return halves


class Guest:
    """Tests at work in a guest of their own, from `with` on; what they tell is kept until somebody listens."""

    def __init__(self, session: pytest.Session, items: Sequence[pytest.Item], clock: str) -> None:
        self.items, self.clock = items, clock
        config, most = session.config, session.config.getvalue("maxfail")
        self.folder = new_folder(config.rootpath / FOLDER)  # kept when a test failed
        self.kernel_log = self.folder / "kernel.log"
        # The longest silence: pytest-timeout inside has had its say by then.
        self._patience_s = START_DEADLINE_S + float(config.getini("timeout") or 300)
        self._heard: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        (self.folder / "tests").write_text("\n".join(item.nodeid for item in items))
        argv = [sys.executable, "-m", "testbed.cli.main", "kernel", "exec", "--writable", str(self.folder)]
        argv += ["--clock", clock, "--log", str(self.kernel_log), "--", sys.executable, __file__, "--rootdir"]
        argv += [str(config.rootpath), f"--basetemp={self.folder / 'tmp'}", f"@{self.folder / 'tests'}"]
        argv += [f"--maxfail={most - session.testsfailed if most else 0}", f"--tb={config.option.tbstyle}"]
        argv += ["-l"] if config.option.showlocals else []
        with (self.folder / "pytest.log").open("wb") as words:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=words, cwd=config.rootpath
            )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(END_DEADLINE_S)
        except subprocess.TimeoutExpired:  # it hangs, and dies with its controller
            self._process.kill()
            self._process.wait()
        self._listener.join()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                self._heard.put((time.monotonic(), line))
        self._heard.put((time.monotonic(), b""))

    def events(self) -> Iterator[tuple[float, dict[str, Any]]]:
        """What it tells, and when (monotonic clock, seconds), until it ends or is silent for too long."""
        with contextlib.suppress(queue.Empty):
            while (heard := self._heard.get(timeout=self._patience_s))[1]:
                yield heard[0], json.loads(heard[1])

    def panicked(self) -> bool:
        return self.kernel_log.exists() and "Kernel panic" in self.kernel_log.read_text(errors="replace")

    def last_words(self) -> str:
        return "".join(
            f"\n--- {path} ends with\n" + "\n".join(path.read_text(errors="replace").splitlines()[-15:])
            for path in (self.folder / "pytest.log", self.kernel_log)
            if path.exists()
        )


def new_folder(parent: Path) -> Path:
    """A folder of our own with a short path (a socket's may have 107 bytes); the oldest of many are removed."""
    parent.mkdir(parents=True, exist_ok=True)
    kept = sorted((path for path in parent.iterdir() if path.name.isdigit()), key=lambda path: path.stat().st_mtime)
    for old in kept[:-KEPT]:
        if time.time() - old.stat().st_mtime > KEPT_AT_LEAST_S:  # else it may be another session's, at work
            shutil.rmtree(old)
    for number in itertools.count(1):
        with contextlib.suppress(FileExistsError):
            (parent / str(number)).mkdir()
            break
    return parent / str(number)


class Teller:
    """Inside: writes what happens as JSON lines."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream
        self.config: pytest.Config | None = None

    def pytest_configure(self, config: pytest.Config) -> None:
        self.config = config

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._tell({"start": nodeid})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        assert self.config is not None
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        self._tell({"report": data})

    def _tell(self, event: dict[str, Any]) -> None:
        self.stream.write(json.dumps(event, default=str) + "\n")
        self.stream.flush()


def main() -> int:
    events = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    options = ["-p", "no:cacheprovider", "-o", "tmp_path_retention_policy=failed"]
    options += ["-o", "addopts=--import-mode=importlib"]
    return int(pytest.main([*options, *sys.argv[1:]], plugins=[Teller(events)]))


if __name__ == "__main__":
    sys.exit(main())
