"""A core's NAS end for tests: the project's own AKA, protection by the same algorithms from the other side."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.virtual.card import Aka
from drivers.virtual.ran.common import Subscriber
from drivers.virtual.ran.nas import emm, esm, keys
from drivers.virtual.ran.nas.algorithms import DOWNLINK, EEA2, EIA2, UPLINK, eea2, eia2
from drivers.virtual.ran.nas.elements import Apn, EpsIdentity, Guti, PdnAddress, Tai, Timer, plmn_octets
from drivers.virtual.ran.nas.message import Esm, decode, encode
from drivers.virtual.ran.nas.pco import Pco
from drivers.virtual.ran.nas.wire import Message
from testbed.ims.aka import SoftwareSim, generate_vector
from testbed.rig.stick import software_aka

K, OPC = bytes(range(16)), bytes(range(16, 32))
RAND = bytes.fromhex("00112233445566778899aabbccddeeff")
IMSI, PLMN = "001010123456789", "00101"
SUBSCRIBER, TAI = Subscriber(IMSI), Tai(PLMN, 1)
GUTI = Guti(PLMN, 2, 1, 0xC0000001)
PCSCF, DNS = "10.45.0.1", "10.45.0.2"


def aka(k: bytes = K, opc: bytes = OPC, sqn_ms: int = 0) -> Aka:
    """A card in software, as a virtual stick takes it."""
    return software_aka(SoftwareSim(k, opc, sqn_ms))


@dataclass
class Core:
    """Keys and counts at the network's end."""

    ciphering: int = EEA2
    kasme: bytes = b""
    downlink: int = 0
    uplink: int = 0

    def challenge(self, sqn: int = 32, amf: bytes = b"\x80\x00") -> bytes:
        vector = generate_vector(K, OPC, amf, sqn, RAND)
        self.kasme = keys.k_asme(vector.ck, vector.ik, plmn_octets(PLMN), vector.autn[:6])
        self.expected = vector.xres
        self.downlink = self.uplink = 0
        return encode(emm.AuthenticationRequest(0, 0, RAND, vector.autn))

    def security_mode(self, capability: bytes = b"\xa0\x20", integrity: int = EIA2) -> bytes:
        command = emm.SecurityModeCommand(self.ciphering << 4 | integrity, 0, 0, capability, 1)
        return self.seal(encode(command), header=3)

    def accept(self, request: Esm, apn: str = "internet") -> bytes:
        """An attach accept with its default bearer."""
        bearer = self.bearer(5, request.transaction, apn)
        accept = emm.AttachAccept(1, 0, Timer(3240), bytes.fromhex("0000f1100001"), bytes(bearer), EpsIdentity(GUTI))
        return self.seal(encode(accept))

    def bearer(self, number: int, transaction: int, apn: str) -> Esm:
        pco = Pco(((0x0C, bytes((10, 45, 0, 1))), (0x0D, bytes((10, 45, 0, 2))), (0x10, b"\x05\x78")))
        request = esm.ActivateDefaultBearerRequest(
            b"\x09", Apn(apn), PdnAddress.parse(bytes((1, 10, 45, 0, number))), pco=pco
        )
        return Esm(request, number, transaction)

    def seal(self, plain: bytes, header: int = 2) -> bytes:
        count, self.downlink = self.downlink, self.downlink + 1
        if header == 2:
            plain = self._cipher(count, DOWNLINK, plain)
        body = bytes((count & 0xFF,)) + plain
        return bytes((header << 4 | 7,)) + self._mac(count, DOWNLINK, body) + body

    def open(self, nas: bytes) -> Message | Esm:
        """A message of the UE, its code checked where it has one."""
        header = nas[0] >> 4 if nas[0] & 0xF == 7 else 0
        if header == 0:
            return decode(nas, "ue")
        count, self.uplink = self.uplink, self.uplink + 1
        assert nas[5] == count & 0xFF
        assert nas[1:5] == self._mac(count, UPLINK, nas[5:])
        return decode(self._cipher(count, UPLINK, nas[6:]) if header in (2, 4) else nas[6:], "ue")

    def opens_service_request(self, nas: bytes) -> bool:
        count, self.uplink = self.uplink, self.uplink + 1
        return len(nas) == 4 and nas[1] & 0x1F == count & 0x1F and nas[2:] == self._mac(count, UPLINK, nas[:2])[2:]

    def _mac(self, count: int, direction: int, data: bytes) -> bytes:
        return eia2(keys.algorithm_key(self.kasme, 2, EIA2), count, 0, direction, data)

    def _cipher(self, count: int, direction: int, data: bytes) -> bytes:
        if self.ciphering != EEA2:
            return data
        return eea2(keys.algorithm_key(self.kasme, 1, EEA2), count, 0, direction, data)
