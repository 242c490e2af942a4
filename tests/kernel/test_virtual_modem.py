"""A virtual stick in the rig kernel: enumerated by the kernel's own drivers, pulled out, plugged in again."""

from __future__ import annotations

import asyncio
import itertools
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import serial
from serial.tools import list_ports
from stick_process import plan, process
from virtual_modem import OPC, SUBSCRIPTION, K

from drivers.host import mounts, netns
from drivers.link import devices
from drivers.modem.card.authentication import Keys, OutOfStep
from drivers.modem.errors import PortGone
from drivers.modem.modem import Modem
from drivers.modem.usb import PortName
from drivers.virtual import gadget
from drivers.virtual.models import MODELS, Model
from drivers.virtual.orders import Client
from testbed.ims.aka import generate_vector, next_sqn
from testbed.rig.kernel.choose import GUEST
from testbed.rig.undo import KINDS

pytestmark = pytest.mark.rig
UDEVD = "/lib/systemd/systemd-udevd"
ANSWER_S, SEEN_S = 10.0, 10.0
MOUNTED = mounts.mounted()  # before any test
TTY = {"vendor": "ttyUSB", "acm": "ttyACM"}
HUB_PORT = Path("/sys/bus/usb/devices/1-0:1.0/usb1-port1/disable")
NIC_DRIVER = {"ecm": "cdc_ether", "ncm": "cdc_ncm"}
MAC, OWN_MAC = "02:00:5e:00:01:01", "02:00:5e:00:01:02"


@pytest.fixture(autouse=True)
def usb() -> None:
    """A kernel that has gadgets and a controller for them."""
    if not gadget.CONTROLLERS.is_dir() or not list(gadget.CONTROLLERS.iterdir()):
        pytest.skip("this kernel has no USB device controller: testbed kernel build, or modprobe dummy_hcd")


@pytest.fixture
def udev() -> Iterator[None]:
    """What gives ports their stable names."""
    if not Path(UDEVD).exists() or not os.environ.get(GUEST):
        pytest.skip("needs a guest, and systemd-udevd in it: apt-get install udev")
    daemon = subprocess.Popen([UDEVD], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ping = ["udevadm", "control", "--ping", "--timeout=5"]
    try:
        until(lambda: subprocess.run(ping, check=False, capture_output=True).returncode == 0, "answer of udev")
        yield
    finally:
        daemon.terminate()
        daemon.wait()


@contextmanager
def namespaces(*names: str) -> Iterator[None]:
    netns.share_folder()
    for name in names:
        with netns.making(name, "test"):
            pass
    try:
        yield
    finally:
        for name in names:
            netns.remove(name, "test")


@contextmanager
def plugged(model: str, **more: Any) -> Iterator[Client]:
    """A stick that the host has enumerated."""
    with process() as (_, client):
        client.order("setup", plan=plan("test-stick", model, **more))
        client.order("plug")
        client.wait_for("usb", state="configured")
        yield client
    assert leftovers() == []


def leftovers() -> list[str]:
    """What a stick may leave behind."""
    places = [str(place) for place in gadget.GADGETS.glob("test-*")] if gadget.GADGETS.is_dir() else []
    places += [str(place) for place in gadget.RUN.glob("test-*")]
    new = [place.decode() for place in mounts.mounted() if place not in MOUNTED]
    return places + [place for place in new if place.startswith(("/run/test-", str(gadget.CONFIGFS)))]


def until(seen: Callable[[], Any], what: str) -> Any:
    """Devices come without an event that a test would need: look again, a while."""
    deadline = time.monotonic() + SEEN_S
    while not (result := seen()):
        assert time.monotonic() < deadline, f"no {what}"
        select.select([], [], [], 0.01)
    return result


def found(mac: str) -> str | None:
    """The name of the network device in the first namespace that has this hardware address."""
    for file in Path("/sys/class/net").glob("*/address"):
        with suppress(OSError):  # it has just gone
            if file.read_text().strip() == mac:
                return file.parent.name
    return None


def node(model: Model) -> str:
    pattern = f"{TTY[model.at_port]}*"
    return str(until(lambda: sorted(Path("/dev").glob(pattern)), f"/dev/{pattern}")[0])


def at(port: serial.Serial, command: str, end: bytes = b"OK\r\n") -> bytes:
    port.write(command.encode() + b"\r")
    return port.read_until(end)


def driver(path: Path) -> str:
    return (path / "device/driver").resolve().name


@pytest.mark.parametrize("name", ["quectel-ec25", "huawei-me909s", "generic"])
@pytest.mark.parametrize("clock", ["real", pytest.param("simulated", marks=pytest.mark.simulated)])
def test_a_stick_enumerates_and_answers(name: str, clock: str) -> None:
    model = MODELS[name]
    with plugged(name):
        path = node(model)
        (port,) = [one for one in list_ports.comports() if one.device == path]
        assert (port.vid, port.pid, port.serial_number) == (model.vendor_id, model.product_id, "rig0001")
        assert (port.manufacturer, port.product) == (model.usb_manufacturer, model.usb_product)
        assert port.location == f"1-1:1.{model.at_interface}"
        device = until(lambda: found(MAC), "network device")
        assert driver(Path("/sys/class/net") / device) == NIC_DRIVER[model.nic]
        with serial.Serial(path, timeout=ANSWER_S, exclusive=True) as tty:
            assert at(tty, "ATE0").endswith(b"OK\r\n")
            assert at(tty, "AT+CGATT=1;+CIMI") == f"\r\n{SUBSCRIPTION.imsi}\r\n\r\nOK\r\n".encode()


def test_a_stick_has_the_same_name_each_time_it_is_plugged_in(udev: None) -> None:
    link = Path("/dev/serial/by-id/usb-Quectel_EC25_rig0001-if02-port0")
    with plugged("quectel-ec25") as stick:
        for _ in range(3):
            until(link.exists, str(link))
            with serial.Serial(str(link), timeout=ANSWER_S, exclusive=True) as tty:
                assert at(tty, "AT").endswith(b"OK\r\n")
            stick.order("unplug")
            until(lambda: not link.is_symlink(), "removal of the link")
            stick.order("plug")
            stick.wait_for("usb", state="configured")


@pytest.mark.parametrize("name", ["quectel-ec25", "huawei-me909s"])
@pytest.mark.parametrize("clock", ["real", pytest.param("simulated", marks=pytest.mark.simulated)])
def test_a_stick_is_pulled_out_in_the_middle_of_a_command(name: str, clock: str) -> None:
    model = MODELS[name]
    with plugged(name) as stick:
        for byte in (1, 5, 10):
            path = node(model)
            with serial.Serial(path, timeout=ANSWER_S, exclusive=True) as tty:
                at(tty, "ATE0")
                stick.order("fault", kind="vanish", at=byte, direction="out")
                begun = time.monotonic()
                with pytest.raises(serial.SerialException):
                    at(tty, "AT+CSQ")
                assert time.monotonic() - begun < ANSWER_S  # it was told, and did not wait for the end of its patience
            stick.wait_for("vanished")
            until(lambda gone=path: not Path(gone).exists(), "removal of the port")
            until(lambda: found(MAC) is None, "removal of the network device")
            stick.order("plug")
            stick.wait_for("usb", state="configured")
        with serial.Serial(node(model), timeout=ANSWER_S, exclusive=True) as tty:
            assert at(tty, "AT").endswith(b"OK\r\n")


def test_a_stick_that_is_reset_comes_back_by_itself() -> None:
    with plugged("quectel-ec25", boot_s=0.3) as stick:
        with serial.Serial(node(MODELS["quectel-ec25"]), timeout=ANSWER_S, exclusive=True) as tty:
            assert at(tty, "AT+CFUN=1,1").endswith(b"OK\r\n")
            stick.wait_for("usb", state="not attached")
        stick.wait_for("usb", state="configured")
        with serial.Serial(node(MODELS["quectel-ec25"]), timeout=ANSWER_S, exclusive=True) as tty:
            assert at(tty, "AT").endswith(b"OK\r\n")


@pytest.mark.parametrize("name", ["quectel-ec25", "huawei-me909s"])
@pytest.mark.parametrize("clock", ["real", pytest.param("simulated", marks=pytest.mark.simulated)])
def test_a_port_that_the_host_disables_is_back_when_it_is_enabled(name: str, clock: str) -> None:
    with plugged(name):
        for _ in range(2):
            path = node(MODELS[name])
            with serial.Serial(path, timeout=ANSWER_S, exclusive=True) as tty:
                assert at(tty, "AT").endswith(b"OK\r\n")
                HUB_PORT.write_text("1")
                with pytest.raises(serial.SerialException):
                    at(tty, "AT+CSQ")
            until(lambda gone=path: not Path(gone).exists(), "removal of the port")
            HUB_PORT.write_text("0")
        with serial.Serial(node(MODELS[name]), timeout=ANSWER_S, exclusive=True) as tty:
            assert at(tty, "AT").endswith(b"OK\r\n")


def test_what_is_said_while_nobody_listens_is_lost() -> None:
    with plugged("quectel-ec25") as stick:
        path = node(MODELS["quectel-ec25"])
        with serial.Serial(path, timeout=ANSWER_S, exclusive=True) as tty:
            at(tty, "ATE0")
        stick.wait_for("at-port", open=False)
        stick.order("say", line="+CREG: 2")
        # By hand: pyserial throws away what has come by the time it has opened a port.
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
        try:
            stick.wait_for("at-port", open=True)
            os.write(descriptor, b"AT\r")
            heard = b""
            while not heard.endswith(b"OK\r\n"):
                assert select.select([descriptor], [], [], ANSWER_S)[0], heard
                heard += os.read(descriptor, 100)
        finally:
            os.close(descriptor)
        assert heard == b"\r\nOK\r\n"


@pytest.mark.parametrize("name", ["quectel-ec25", "huawei-me909s"])
@pytest.mark.parametrize("clock", ["real", pytest.param("simulated", marks=pytest.mark.simulated)])
def test_the_nic_carries_packets_while_there_is_a_data_call(name: str, clock: str) -> None:
    own = {"namespace": "test-access", "name": "stick0", "addresses": ["10.2.0.1/24"]}
    begin = "AT^NDISDUP=2,1" if name.startswith("huawei") else "AT+QNETDEVCTL=1,2,1"
    with namespaces("test-ue", "test-access"), plugged(name, nic=own) as stick:
        for _ in range(2):  # the second time after it was pulled out: its end is in the first namespace again
            devices.move(until(lambda: found(MAC), "network device"), "test-ue", "wwan0")
            ip("test-ue", "link", "set", "wwan0", "up")
            # cdc_ether says that there is a carrier until the stick has told it otherwise.
            until(lambda: not has_carrier("test-ue"), "loss of carrier")
            with serial.Serial(node(MODELS[name]), timeout=ANSWER_S, exclusive=True) as tty:
                at(tty, 'ATE0;+CGDCONT=2,"IP","ims";+CGATT=1')
                at(tty, begin)
                stick.wait_for("data-call", cid=2)
                until(lambda: has_carrier("test-ue"), "carrier")
                ip("test-ue", "address", "add", "10.2.0.2/24", "dev", "wwan0")
                assert echoed("test-ue", "test-access", "10.2.0.1")
                stick.order("deactivate", cid=2)
                stick.wait_for("data-call", cid=None)
                until(lambda: not has_carrier("test-ue"), "loss of carrier")
            stick.order("unplug")
            until(lambda: "wwan0" not in ip("test-ue", "-br", "link"), "removal of the network device")
            stick.order("plug")
            stick.wait_for("usb", state="configured")


def test_two_sticks_want_two_controllers() -> None:
    with plugged("generic"), process() as (_, second):
        second.order("setup", plan=plan("test-second", "generic", serial="rig0002"))
        with pytest.raises(Exception, match="no USB device controller is free"):
            second.order("plug")


@pytest.mark.parametrize("name", ["quectel-ec25", "huawei-me909s"])
def test_what_a_killed_stick_leaves_is_undone_by_the_journals_kinds(name: str) -> None:
    entries = gadget.Gadget(gadget.GadgetPlan("test-killed", MODELS[name], "rig0001", MAC, OWN_MAC)).undo_entries()
    own = {"namespace": "test-access", "name": "stick0", "addresses": ["10.2.0.1/24"]}
    with namespaces("test-access"), process() as (child, client):
        client.order("setup", plan=plan("test-killed", name, nic=own))
        client.order("plug")
        client.wait_for("usb", state="configured")
        with serial.Serial(node(MODELS[name]), timeout=ANSWER_S, exclusive=True) as tty:
            assert at(tty, "AT").endswith(b"OK\r\n")
            child.send_signal(signal.SIGKILL)
            child.wait()
            assert leftovers() != []
            told = [line for kind, values in reversed(entries) for line in KINDS[kind].undo(values)]
    assert leftovers() == []
    assert "removed USB gadget test-killed" in told
    assert [line for kind, values in reversed(entries) for line in KINDS[kind].undo(values)] == []


@pytest.mark.parametrize("name", ["quectel-ec25", "huawei-me909s"])
def test_a_gadget_that_was_half_made_is_undone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever whoever made it was killed: the journal's kinds take away what was there by then."""
    for steps in itertools.count():
        own = gadget.Gadget(gadget.GadgetPlan("test-half", MODELS[name], "rig0001", MAC, OWN_MAC))
        entries = own.undo_entries()
        with monkeypatch.context() as patched:
            left = iter(range(steps))
            for method in ("mkdir", "write_text", "symlink_to"):
                patched.setattr(Path, method, _until_killed(left, getattr(Path, method)))
            patched.setattr(gadget.Gadget, "remove", lambda self: None)
            try:
                own.make()
            except Killed:
                whole = False
            else:
                whole = True
        for kind, values in reversed(entries):
            KINDS[kind].undo(values)
        assert leftovers() == []
        if whole:
            break
    assert steps >= 14  # the identity, its strings, two functions, a configuration and its links


class Killed(BaseException):
    """In place of SIGKILL."""


def _until_killed(left: Iterator[int], method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, for as many calls as are left."""

    def limited(*arguments: Any, **options: Any) -> Any:
        if next(left, None) is None:
            raise Killed
        return method(*arguments, **options)

    return limited


def ip(namespace: str, *argv: str) -> str:
    done = subprocess.run(["ip", "-n", namespace, *argv], check=True, capture_output=True, text=True)
    return done.stdout


def has_carrier(namespace: str) -> bool:
    return "LOWER_UP" in ip(namespace, "link", "show", "wwan0")


def echoed(from_namespace: str, to_namespace: str, to: str) -> bool:
    """A datagram there and back."""
    with netns.inside(to_namespace):
        far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with netns.inside(from_namespace):
        near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with far, near:
        far.bind((to, 5060))
        far.settimeout(ANSWER_S)
        near.settimeout(ANSWER_S)
        near.sendto(b"there", (to, 5060))
        data, whom = far.recvfrom(100)
        far.sendto(data + b" and back", whom)
        return near.recv(100) == b"there and back"


@pytest.mark.parametrize("name", ["quectel-ec25", "huawei-me909s"])
@pytest.mark.parametrize("clock", ["real", pytest.param("simulated", marks=pytest.mark.simulated)])
def test_the_driver_makes_an_access_of_a_stick(name: str, clock: str) -> None:
    """Identity, registration, context with P-CSCF, AKA by the card, packets; then it is pulled out, and comes back."""
    own = {"namespace": "test-access", "name": "stick0", "addresses": ["10.2.0.1/24"]}
    with namespaces("test-ue", "test-access"), plugged(name, nic=own) as stick:
        asyncio.run(_driven(stick, name))


async def _driven(stick: Client, name: str) -> None:
    model = MODELS[name]
    events: list[str] = []
    modem = Modem(
        PortName.parse(f"serial:rig0001:{model.at_interface}"), on_event=lambda event: events.append(event.what)
    )
    try:
        for expected in (Keys, OutOfStep):  # the card remembers the sequence number while the stick is out
            await modem.open(SEEN_S)
            assert (modem.vendor.name.lower(), modem.identity.model) == (model.dialect, model.model)
            context = await modem.bring_up("ims")
            (address,) = context.addresses
            assert context.pcscf == ("10.2.0.10", "10.2.0.11")
            await modem.call(apn="ims")
            devices.move(until(lambda: found(MAC), "network device"), "test-ue", "wwan0")
            ip("test-ue", "link", "set", "wwan0", "up")
            ip("test-ue", "address", "add", f"{address.address}/{address.prefix}", "dev", "wwan0")
            assert echoed("test-ue", "test-access", address.gateway or "")
            vector = generate_vector(K, OPC, bytes.fromhex("8000"), next_sqn(0), bytes(16))
            answer = await modem.aka.authenticate(vector.rand, vector.autn)
            assert type(answer) is expected
            assert getattr(answer, "res", vector.xres) == vector.xres
            stick.order("fault", kind="vanish", at=3)
            begun = time.monotonic()
            with pytest.raises(PortGone):
                await modem.at("AT+CSQ", 60)
            assert time.monotonic() - begun < 30
            assert events[-1] == "gone"
            stick.order("plug")
    finally:
        modem.close()
