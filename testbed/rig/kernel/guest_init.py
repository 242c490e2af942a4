"""The first process of a User-mode Linux guest: makes the guest's world, runs one command, carries its status out.

It is started by the guest kernel as `init`, with Python's own library and nothing else (not even pathlib, whose import
takes a tenth of a second here), and reads what to do from `job.json` in the guest's folder on the host, its only
argument:

    {"argv": [...], "cwd": DIR, "env": {...}, "hostname": NAME, "writable": [DIR...], "modules": DIR, "load": [NAME...],
     "terminals": [BOOL, BOOL], "one": BOOL, "interactive": BOOL, "size": [COLUMNS, LINES], "beat": BOOL}

The root file system is the host's, with an overlay in memory above it: whatever the guest writes outside the writable
folders is gone with it.  What the consoles carry is written in relay.py, the other end.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
import traceback
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
MS_NOSUID, MS_BIND = 2, 4096
LINUX_REBOOT_CMD_POWER_OFF = 0x4321FEDC
PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
GUEST_FAILED, COMMAND_NOT_FOUND = 125, 127
OUT, ERR, ORDERS, NEWS = 0, 1, 3, 4  # consoles
WRITE_BACK_CENTISECONDS = 100  # how long evidence may stay in the guest's memory: a guest that is killed loses it


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    if LIBC.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode() or None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mounting {kind} on {target}: {os.strerror(number)}")


def make_root(job: dict[str, Any]) -> None:
    """An overlay of the host's files, the kernel's own file systems, and the folders that the host really gets."""
    overlay = f"{job['modules']}/{os.uname().release}/kernel/fs/overlayfs/overlay.ko"
    if os.path.exists(overlay):  # the rig kernel has it built in
        subprocess.run(["insmod", overlay], check=True, env=PATH)
    mount("tmpfs", "/mnt", "tmpfs")
    for folder in ("/mnt/upper", "/mnt/work", "/mnt/root"):
        os.mkdir(folder)
    # No setuid: everybody is root here, and an ordinary user's guest would take the host's root for somebody else.
    mount("overlay", "/mnt/root", "overlay", MS_NOSUID, "lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work")
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
    for folder in job["writable"]:
        os.makedirs(folder, exist_ok=True)
        mount("none", folder, "hostfs", 0, folder)
    if job["modules"]:
        os.makedirs("/lib/modules", exist_ok=True)
        mount(job["modules"], "/lib/modules", "none", MS_BIND)


def settle(job: dict[str, Any]) -> None:
    """Everything that a rig may need, before a measured second could wait for it."""
    if job["load"]:
        subprocess.run(["modprobe", "-a", "-q", *job["load"]], check=False, stdin=subprocess.DEVNULL, env=PATH)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=False, stdin=subprocess.DEVNULL, env=PATH)
    name = job["hostname"].encode()
    LIBC.sethostname(name, len(name))
    for setting in ("dirty_writeback_centisecs", "dirty_expire_centisecs"):
        with open(f"/proc/sys/vm/{setting}", "w") as stream:
            stream.write(str(WRITE_BACK_CENTISECONDS))


def console(number: int) -> int:
    """A console that passes bytes on unchanged."""
    descriptor = os.open(f"/dev/tty{number}", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    mode = termios.tcgetattr(descriptor)
    mode[0] = mode[1] = mode[3] = 0
    termios.tcsetattr(descriptor, termios.TCSANOW, mode)
    return descriptor


class Terminal:
    """A terminal for the command, of the size of the host's."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.ours, self.theirs = os.openpty()
        self.resize(*job["size"])
        if not job["interactive"]:
            mode = termios.tcgetattr(self.theirs)
            mode[1] &= ~termios.OPOST  # the host's own terminal does that, unless it was made raw
            termios.tcsetattr(self.theirs, termios.TCSANOW, mode)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def run(job: dict[str, Any], orders: int, news: int) -> int:
    """Run the command with its output on the consoles; its exit status, 128 + signal where one ended it."""
    terminals: list[Terminal] = []
    copies: list[threading.Thread] = []
    theirs: list[int] = []
    for number in (OUT,) if job["one"] else (OUT, ERR):
        if job["terminals"][number]:
            terminals.append(Terminal(job))
            ours, end = terminals[-1].ours, terminals[-1].theirs
        else:
            ours, end = os.pipe()
        theirs.append(end)
        copies.append(threading.Thread(target=copy, args=(ours, console(number))))
    child = start(job, theirs)
    for end in theirs:
        os.close(end)
    for thread in copies:
        thread.start()
    status = COMMAND_NOT_FOUND
    if child is not None:
        if job["interactive"]:
            threading.Thread(target=copy, args=(console(OUT), terminals[0].ours), daemon=True).start()
        threading.Thread(target=obey, args=(orders, child.pid, terminals), daemon=True).start()
        tell(news, "started")
        if job["beat"]:
            threading.Thread(target=beat, args=(news,), daemon=True).start()
        status = wait(child.pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)  # what the command left running would keep its output open
    for thread in copies:
        thread.join()
    return status


def beat(news: int) -> None:
    """Tell what time it is, and who is there: every second at first, later less often, so that a week costs little."""
    known: dict[str, str] = {}
    while True:
        there = {name for name in os.listdir("/proc") if name.isdigit()}
        if there != known.keys():
            known = {name: known.get(name) or command_line(name) for name in there}
            tell(news, f"processes {json.dumps({name: line for name, line in known.items() if line})}")
        now = time.monotonic()
        tell(news, f"time {now:.3f}")
        time.sleep(1 if now < 60 else 10 if now < 3600 else 100)


def command_line(process: str) -> str:
    """As far as it is of use in a message; empty for a thread of the kernel, or one that has just gone."""
    with contextlib.suppress(OSError), open(f"/proc/{process}/cmdline", errors="replace") as stream:
        return " ".join(stream.read().replace("\0", " ").split())[:200]
    return ""


def start(job: dict[str, Any], theirs: list[int]) -> subprocess.Popen[bytes] | None:
    """Start the command, the leader of a process group; None where there is no such command."""

    def own_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    try:
        child = subprocess.Popen(
            job["argv"],
            cwd=job["cwd"],
            env=job["env"],
            stdin=theirs[0] if job["interactive"] else subprocess.DEVNULL,
            stdout=theirs[0],
            stderr=theirs[-1],
            start_new_session=True,
            preexec_fn=own_terminal if job["interactive"] else None,
        )
    except OSError as refused:  # said as a shell says it
        os.write(theirs[-1], f"{refused.filename}: {refused.strerror}\n".encode())
        return None
    return child  # to be kept: one that is thrown away buries its process itself, and the status with it


def wait(child: int) -> int:
    """Until the command has ended.  As the guest's first process we inherit, and bury, everybody's orphans."""
    while True:
        process, status = os.wait()
        if process == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def copy(source: int, destination: int) -> None:
    """Until the command and all its children have closed their end, and the console has passed everything on."""
    while True:
        try:
            data = os.read(source, 65536)
        except OSError:  # a terminal says EIO at its end
            data = b""
        if not data:
            termios.tcdrain(destination)
            return
        while data:
            data = data[os.write(destination, data) :]


def obey(orders: int, child: int, terminals: list[Terminal]) -> None:
    """Do what the host says, line by line; at the end of its orders it is dead, and so are we."""
    with os.fdopen(orders, "rb", buffering=0) as stream:
        for line in stream:
            word, *numbers = line.split()
            with contextlib.suppress(ProcessLookupError):
                if word == b"size":
                    for terminal in terminals:
                        terminal.resize(*map(int, numbers))
                    os.killpg(child, signal.SIGWINCH)
                elif word == b"signal":
                    os.killpg(child, int(numbers[0]))
    power_off()


def main() -> None:
    news = -1
    status = GUEST_FAILED
    try:
        with open(f"{sys.argv[1]}/job.json") as stream:
            job = json.load(stream)
        make_root(job)
        news = console(NEWS)
        settle(job)
        status = run(job, console(ORDERS), news)
    except BaseException as error:
        traceback.print_exc()  # into the log of the kernel, which the host keeps
        tell(news, f"error {error}")
    LIBC.sync()
    tell(news, f"status {status}")
    power_off()


def tell(news: int, line: str) -> None:
    """A line for the host."""
    if news >= 0:
        os.write(news, line.replace("\n", " ").encode() + b"\n")
        termios.tcdrain(news)


def power_off() -> None:
    """The end."""
    LIBC.sync()
    LIBC.reboot(ctypes.c_uint(LINUX_REBOOT_CMD_POWER_OFF))


if __name__ == "__main__":
    main()
