"""A User-mode Linux guest: one command, run by the same program over the same files, in a kernel of its own.

The guest is an ordinary process.  It needs neither root nor KVM; inside, the command is root with real namespaces,
netem and ESP.  What the command prints, its exit status and the signals sent to us pass through; the folders named
as writable are the host's own, everything else that the guest writes is gone with it.  The guest dies with us.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from testbed.errors import RigError

BINARY = "linux.uml"  # Debian: user-mode-linux
MODULES = Path("/usr/lib/uml/modules")
INIT = Path(__file__).with_name("guest_init.py")
# Loaded before the command starts: whatever a rig may ask for, so that no handoff waits for a module.
LOAD = (
    "veth", "bridge", "dummy", "ifb", "tun", "sch_netem", "sch_ingress", "xfrm_user", "esp4", "esp6", "af_packet",
    "nf_tables", "nft_chain_nat", "sctp", "gtp", "authenc", "echainiv", "crypto_null", "cbc", "hmac", "sha1_generic",
    "md5", "aes_generic", "des_generic",
)  # fmt: skip
GUEST_FAILED = 125
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class GuestCommand:
    """What to run inside, and which folders of the host it may write."""

    argv: Sequence[str]
    writable: Sequence[Path] = ()
    environment: dict[str, str] = field(default_factory=dict)  # beside our own
    memory_mib: int = 2048
    log: Path | None = None  # takes what the guest's kernel says


def lacks() -> RigError | None:
    """Why no guest can start on this machine, as far as that can be seen without starting one."""
    if shutil.which(BINARY) is None:
        mend = "install it: apt-get install user-mode-linux (or `make setup`)"
        return RigError(f"{BINARY} is not installed", where="--kernel uml", mend=mend)
    return None


def run(command: GuestCommand) -> int:
    """Run a command in a guest and return its exit status (128 + signal where one ended it).

    Raises RigError when the guest itself does not start; the message ends with the kernel's last words.
    """
    if missing := lacks():
        raise missing
    binary = str(shutil.which(BINARY))
    with tempfile.TemporaryDirectory(prefix="testbed-guest-") as folder:
        control = Path(folder)
        log = command.log or control / "kernel.log"
        (control / "job.json").write_text(json.dumps(_job(command)))
        _boot(binary, control, command, log)
        return _status(control, log)


def _job(command: GuestCommand) -> dict[str, Any]:
    size = shutil.get_terminal_size()
    return {
        "argv": list(command.argv),
        "cwd": os.getcwd(),  # noqa: PTH109 - text is wanted
        "env": {**os.environ, **command.environment},
        "writable": [str(path.resolve()) for path in command.writable],
        "modules": str(MODULES),
        "load": LOAD,
        "stdout_tty": sys.stdout.isatty(),
        "stderr_tty": sys.stderr.isatty(),
        "size": [size.columns, size.lines],
    }


def _boot(binary: str, control: Path, command: GuestCommand, log: Path) -> None:
    """Start the kernel, relay its consoles until it powers off."""
    orders, our_orders = os.pipe()
    outputs = [(os.pipe(), stream.buffer) for stream in (sys.stdout, sys.stderr)]
    (out, _), (err, _) = outputs
    argv = ["setpriv", "--pdeathsig", "KILL", "--", binary, f"mem={command.memory_mib}M"]
    argv += ["rootfstype=hostfs", "rootflags=/", "ro", "quiet", "loglevel=4", "panic=-1", "console=tty2"]
    argv += [f"con0=fd:{orders},fd:{out[1]}", f"con1=null,fd:{err[1]}", "con2=null,fd:2", "con=null"]
    argv += [f"init={sys.executable}", "--", "-I", "-S", str(INIT), str(control)]
    with log.open("wb") as words:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            pass_fds=(orders, out[1], err[1]),
            start_new_session=True,  # Ctrl-C of the terminal is ours to pass on
            env={"HOME": os.environ.get("HOME", "/tmp"), "TMPDIR": "/dev/shm", "PATH": os.environ.get("PATH", "")},
        )
    for descriptor in (orders, out[1], err[1]):
        os.close(descriptor)
    relays = [threading.Thread(target=_relay, args=(pipe[0], stream)) for pipe, stream in outputs]
    for relay in relays:
        relay.start()
    try:
        with _signals_into(our_orders):
            process.wait()
    finally:
        process.kill()
        process.wait()
        os.close(our_orders)
        for relay in relays:
            relay.join()


@contextmanager
def _signals_into(orders: int) -> Iterator[None]:
    """While inside, our signals go to the guest's command as one byte each."""

    def pass_on(number: int, _: object) -> None:
        os.write(orders, bytes([number]))

    before = {number: signal.signal(number, pass_on) for number in PASSED_ON}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _relay(source: int, destination: IO[bytes]) -> None:
    with os.fdopen(source, "rb", buffering=0) as stream:
        while data := stream.read(65536):
            try:
                destination.write(data)
                destination.flush()
            except BrokenPipeError:
                continue  # whoever read us has gone; the guest goes on to its end and cleans up


def _status(control: Path, log: Path) -> int:
    status = control / "status"
    code = int(status.read_text()) if status.exists() else GUEST_FAILED
    if code == GUEST_FAILED:
        said = log.read_text(errors="replace").strip().splitlines()[-6:]
        raise RigError(
            "the guest kernel ended before its command did:\n    " + "\n    ".join(said or ["(it said nothing)"]),
            where=f"{BINARY} (--kernel uml)",
            mend="see `testbed doctor`; the host must allow ptrace, and /dev/shm must have room for the guest's memory",
        )
    return code
