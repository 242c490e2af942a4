"""The rig kernel, where it has been built: simulated time, its watchdog, and the radios that are none."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest
from controller import Controller

from testbed.rig.kernel import rig_kernel, uml, watchdog
from testbed.rig.kernel.choose import run_in_guest

pytestmark = pytest.mark.usefixtures("guests", "rig")
SIMULATED = ("--clock", "simulated")


@pytest.fixture
def rig() -> rig_kernel.RigKernel:
    """The kernel of this checkout's configuration."""
    kernel = rig_kernel.find()
    if kernel is None:
        pytest.skip(f"the rig kernel has not been built: {uml.BUILD_IT}")
    return kernel


def _python(*lines: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", "\n".join(lines))


def test_guests_run_on_it(temporary: Path, rig: rig_kernel.RigKernel) -> None:
    status, out, err = Controller(temporary, "uname", "-r").result()
    assert (status, out.decode().strip()) == (0, rig.release), err


def test_an_hour_of_waiting_passes_at_once_and_computing_takes_no_time(temporary: Path) -> None:
    program = _python(
        "import time",
        "begun = time.monotonic(); sum(range(1000000)); print(time.monotonic() - begun)",
        "begun = time.monotonic(); time.sleep(3600); print(time.monotonic() - begun)",
    )
    begun = time.monotonic()
    status, out, err = Controller(temporary, *program, options=SIMULATED).result()
    assert status == 0, err
    computing, waiting = map(float, out.split())
    assert computing < 1e-4
    assert 3600 <= waiting < 3600.001
    assert time.monotonic() - begun < 60


def test_a_process_that_waits_busily_is_found_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog.Watchdog.__init__, "__defaults__", (3.0,))
    program = _python(
        "import time", "time.sleep(12.5)", "end = time.monotonic() + 1", "while time.monotonic() < end: pass"
    )
    with pytest.raises(uml.RigError, match=r"simulated time has stood still at 1[23]\.\d s") as raised:
        run_in_guest(program, [], clock="simulated")
    assert "while time.monotonic" in raised.value.what
    Path(re.findall(r"log: (.*)", raised.value.what)[0]).unlink()
    assert "must sleep, not poll" in raised.value.what


HOSTAPD = """interface=wlan0
driver=nl80211
ctrl_interface=/run/hostapd
ssid=rig
hw_mode=g
channel=1
wpa=2
wpa_key_mgmt=WPA-PSK
rsn_pairwise=CCMP
wpa_passphrase=of no importance
"""
STATION = """ctrl_interface=/run/wpa
network={
    ssid="rig"
    psk="of no importance"
}
"""
RADIOS = """set -e
ip netns add ap; ip netns add sta
iw phy phy0 set netns name ap; iw phy phy1 set netns name sta
ip -n ap link set lo up
ip netns exec ap hostapd -B "$0/hostapd.conf" > "$0/hostapd.log"
ip netns exec sta wpa_supplicant -B -i wlan1 -c "$0/station.conf" > "$0/wpa.log"
for i in $(seq 200); do
    if ip netns exec sta wpa_cli -p /run/wpa -i wlan1 status | grep -q wpa_state=COMPLETED; then
        echo associated; exit
    fi
    sleep 0.1
done
cat "$0"/*.log >&2; exit 1
"""


@pytest.mark.parametrize("clock", ["real", "simulated"])
def test_two_radios_in_two_namespaces_associate(temporary: Path, tmp_path: Path, clock: str) -> None:
    for tool, package in (("hostapd", "hostapd"), ("wpa_supplicant", "wpasupplicant"), ("iw", "iw")):
        if uml.find(tool) is None:
            pytest.skip(f"{tool} is not installed: apt-get install {package}")
    (tmp_path / "hostapd.conf").write_text(HOSTAPD)
    (tmp_path / "station.conf").write_text(STATION)
    status, out, err = Controller(temporary, "sh", "-c", RADIOS, str(tmp_path), options=["--clock", clock]).result()
    assert (status, out) == (0, b"associated\n"), err


MODEM = """set -e
mount -t configfs none /sys/kernel/config
gadget=/sys/kernel/config/usb_gadget/modem
mkdir $gadget; cd $gadget
echo 0x1d6b > idVendor; echo 0x0104 > idProduct
mkdir strings/0x409 configs/c.1 functions/acm.0 functions/ecm.0
echo rig > strings/0x409/serialnumber
ln -s functions/acm.0 functions/ecm.0 configs/c.1
ls /sys/class/udc > UDC
for i in $(seq 100); do
    nic=$(ls -d /sys/bus/usb/devices/*/net/* 2> /dev/null || true)
    if [ -c /dev/ttyACM0 ] && [ -n "$nic" ]; then
        basename "$(readlink "/sys/class/tty/ttyACM0/device/driver")"
        basename "$(readlink "$nic/device/driver")"; exit
    fi
    sleep 0.05
done
exit 1
"""


@pytest.mark.parametrize("clock", ["real", "simulated"])
def test_a_gadget_enumerates_as_a_modem_port_and_a_network_device(temporary: Path, clock: str) -> None:
    status, out, err = Controller(temporary, "sh", "-c", MODEM, options=["--clock", clock]).result()
    assert (status, out) == (0, b"cdc_acm\ncdc_ether\n"), err
