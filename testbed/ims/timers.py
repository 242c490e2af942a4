"""The timers of SIP transactions: RFC 3261 table 4 as changed by RFC 6026, and their IMS values.

All are seconds.  Timer C belongs to proxies and does not exist here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timers:
    """T1, T2 and T4 and everything that RFC 3261 derives from them."""

    t1: float = 0.5  # round-trip estimate
    t2: float = 4.0  # longest interval between retransmissions of non-INVITE requests and INVITE responses
    t4: float = 5.0  # longest time a message stays in the network
    trying: float = 0.2  # an INVITE unanswered for so long gets a 100 (17.2.1)

    @classmethod
    def rfc3261(cls) -> Timers:
        """The values of RFC 3261 table 4: between network entities, and on wired rigs."""
        return cls()

    @classmethod
    def ims(cls) -> Timers:
        """The values between UE and P-CSCF (TS 24.229 table 7.7.1), made for the delays of a radio."""
        return cls(t1=2.0, t2=16.0, t4=17.0)

    @property
    def a(self) -> float:
        """INVITE retransmission at first; doubles without limit (17.1.1.2)."""
        return self.t1

    @property
    def b(self) -> float:
        """INVITE transaction timeout."""
        return 64 * self.t1

    @property
    def d(self) -> float:
        """How long retransmitted final INVITE responses are answered; unreliable transports only."""
        return max(32.0, 64 * self.t1)

    @property
    def e(self) -> float:
        """Non-INVITE retransmission at first; doubles up to T2 (17.1.2.2)."""
        return self.t1

    @property
    def f(self) -> float:
        """Non-INVITE transaction timeout."""
        return 64 * self.t1

    @property
    def g(self) -> float:
        """INVITE response retransmission at first; doubles up to T2.  The 2xx repeats likewise (13.3.1.4)."""
        return self.t1

    @property
    def h(self) -> float:
        """How long an ACK is waited for."""
        return 64 * self.t1

    @property
    def i(self) -> float:
        """How long retransmitted ACKs are absorbed; unreliable transports only."""
        return self.t4

    @property
    def j(self) -> float:
        """How long retransmitted non-INVITE requests are answered; unreliable transports only."""
        return 64 * self.t1

    @property
    def k(self) -> float:
        """How long retransmitted final non-INVITE responses are absorbed; unreliable transports only."""
        return self.t4

    @property
    def l(self) -> float:  # noqa: E743 - the name RFC 6026 gives it
        """How long retransmitted INVITEs are absorbed after a 2xx (RFC 6026 7.1)."""
        return 64 * self.t1

    @property
    def m(self) -> float:
        """How long further 2xx of an INVITE are passed up (RFC 6026 8.4)."""
        return 64 * self.t1


def refresh_after(expires_s: float) -> float:
    """Seconds after which a registration or subscription of `expires_s` is refreshed (TS 24.229 5.1.1.4.1, 5.1.1.3).

    600 s before its end when it is longer than 1200 s, else at half of it.
    """
    return expires_s - 600 if expires_s > 1200 else expires_s / 2
