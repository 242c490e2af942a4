"""The first process of a User-mode Linux guest: makes the guest's world, runs one command, carries its status out.

It is started by the guest kernel as `init`, with Python's own library and nothing else (not even pathlib, whose import
takes a tenth of a second here), and reads what to do from `job.json` in the control folder, its only argument, which
lies on the host:

    {"argv": [...], "cwd": DIR, "env": {...}, "writable": [DIR...], "modules": DIR, "load": [NAME...],
     "stdout_tty": BOOL, "stderr_tty": BOOL, "size": [COLUMNS, LINES]}

The root file system is the host's, with an overlay in memory above it: whatever the guest writes outside the writable
folders is gone with it.  Console 0 carries the command's standard input and output, console 1 its standard error.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import traceback
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
MS_BIND = 4096
LINUX_REBOOT_CMD_POWER_OFF = 0x4321FEDC
PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    if LIBC.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode() or None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mounting {kind} on {target}: {os.strerror(number)}")


def make_root(job: dict[str, Any], control: str) -> None:
    """An overlay of the host's files, the kernel's own file systems, and the folders that the host really gets."""
    overlay = f"{job['modules']}/{os.uname().release}/kernel/fs/overlayfs/overlay.ko"
    if os.path.exists(overlay):  # the rig kernel has it built in
        subprocess.run(["insmod", overlay], check=True, env=PATH)
    mount("tmpfs", "/mnt", "tmpfs")
    for folder in ("/mnt/upper", "/mnt/work", "/mnt/root"):
        os.mkdir(folder)
    mount("overlay", "/mnt/root", "overlay", 0, "lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work")
    os.chroot("/mnt/root")
    os.chdir("/")
    for kind, target in (("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/run")):
        mount(kind, target, kind)
    for kind, target in (("devpts", "/dev/pts"), ("tmpfs", "/dev/shm")):
        os.makedirs(target, exist_ok=True)
        mount(kind, target, kind, 0, "ptmxmode=0666,gid=5,mode=620" if kind == "devpts" else "")
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("ptmx", "pts/ptmx")):
        with contextlib.suppress(FileExistsError):
            os.symlink(target, f"/dev/{name}")
    os.makedirs("/run/lock", exist_ok=True)
    for folder in [*job["writable"], control]:
        os.makedirs(folder, exist_ok=True)
        mount("none", folder, "hostfs", 0, folder)
    if job["modules"]:
        os.makedirs("/lib/modules", exist_ok=True)
        mount(job["modules"], "/lib/modules", "none", MS_BIND)


def load_modules(names: list[str]) -> None:
    """Everything that a rig may need, before a measured second could wait for it."""
    subprocess.run(["modprobe", "-a", "-q", *names], check=False, stdin=subprocess.DEVNULL, env=PATH)


def raw_console(path: str) -> int:
    """A console that passes bytes on unchanged."""
    console = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    mode = termios.tcgetattr(console)
    mode[0] = 0
    mode[1] = 0
    mode[3] = 0
    termios.tcsetattr(console, termios.TCSANOW, mode)
    return console


def terminal(size: list[int]) -> tuple[int, int]:
    """A terminal of the host's size for the command: (our end, its end)."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    mode = termios.tcgetattr(slave)
    mode[1] &= ~termios.OPOST  # the host's own terminal does that
    termios.tcsetattr(slave, termios.TCSANOW, mode)
    return master, slave


def run(job: dict[str, Any]) -> int:
    """Run the command with its output on the consoles; interrupts arrive as bytes on console 0."""
    consoles = {name: raw_console(f"/dev/tty{number}") for number, name in enumerate(("stdout", "stderr"))}
    ours: dict[str, int] = {}
    theirs: dict[str, int] = {}
    for name in consoles:
        ours[name], theirs[name] = terminal(job["size"]) if job[f"{name}_tty"] else os.pipe()
    environment = {**job["env"], "COLUMNS": str(job["size"][0]), "LINES": str(job["size"][1])}
    child = subprocess.Popen(
        job["argv"],
        cwd=job["cwd"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=theirs["stdout"],
        stderr=theirs["stderr"],
        start_new_session=True,
    )
    for end in theirs.values():
        os.close(end)
    threads = [threading.Thread(target=copy, args=(ours[name], consoles[name])) for name in consoles]
    for thread in threads:
        thread.start()
    threading.Thread(target=obey, args=(consoles["stdout"], child.pid), daemon=True).start()
    status = child.wait()
    for thread in threads:
        thread.join(timeout=2.0)  # a daemon that outlives the command may hold the pipe open
    return status if status >= 0 else 128 - status


def copy(source: int, destination: int) -> None:
    """Until the command and all its children have closed their end."""
    while True:
        try:
            data = os.read(source, 65536)
        except OSError:  # a terminal says EIO at its end
            return
        if not data:
            return
        while data:
            data = data[os.write(destination, data) :]


def obey(console: int, process_group: int) -> None:
    """Signals from the host, one byte each: its number."""
    while True:
        select.select([console], [], [])
        for number in os.read(console, 64):
            with contextlib.suppress(ProcessLookupError, ValueError):
                os.killpg(process_group, number)


def main() -> None:
    control = sys.argv[1]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    status = 125  # the guest itself failed
    try:
        with open(f"{control}/job.json") as stream:
            job = json.load(stream)
        make_root(job, control)
        load_modules(job["load"])
        subprocess.run(["ip", "link", "set", "lo", "up"], check=False, env=PATH)
        status = run(job)
    except BaseException as error:
        traceback.print_exc()  # into the log of the kernel, which the host keeps
        report(control, "error", repr(error))
    report(control, "status", str(status))
    LIBC.sync()
    LIBC.reboot(ctypes.c_uint(LINUX_REBOOT_CMD_POWER_OFF))


def report(control: str, name: str, text: str) -> None:
    """A file for the host; it is whole or not there."""
    with contextlib.suppress(OSError):
        with open(f"{control}/{name}.new", "w") as stream:
            stream.write(text)
        os.rename(f"{control}/{name}.new", f"{control}/{name}")


if __name__ == "__main__":
    main()
