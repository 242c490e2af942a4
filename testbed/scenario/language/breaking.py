"""Steps that break and mend: accesses, the core's daemons; and the handoff that a UE makes by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from testbed.errors import UsageError
from testbed.measure.words import Procedure, TriggerKind
from testbed.scenario.common import MOVING
from testbed.scenario.language.verb import AccessName, Daemon, Keys, Ue, Word

if TYPE_CHECKING:
    from testbed.scenario.bench import Bench

LEAST_SILENCE_MS = 40  # two packets: less, and jitter alone would count as silence


class Arm(Keys):
    """The UE shall hand over by itself as soon as it notices that an access has failed."""

    ue: Ue = MOVING
    from_: AccessName = Field(alias="from")
    to: AccessName
    register_: Literal["global", "explicit", "add", "none"] = Field(default="global", alias="register")
    sessions: Literal["re-invite", "replaces", "redial"] = "re-invite"
    silence_ms: float = Field(
        default=0.0, ge=0, le=60_000, description="Media silence that counts as failure; 0: only a lost carrier does."
    )
    patience_s: float = Field(default=20.0, gt=0, le=600, description="For each step of it.")
    measured: bool = Field(default=True, description="Whether the interruption is to be measured and judged.")

    def said(self) -> str:
        return f"{self.ue} shall go from {self.from_} to {self.to} when it must"

    async def do(self, bench: Bench) -> str | None:
        await bench.levers.arm(bench.ues[self.ue], self)
        return None

    @property
    def procedure(self) -> Procedure:
        """What the analysis measures it as."""
        if self.sessions == "redial":
            return Procedure.RELEASE7
        if self.register_ == "explicit" and self.sessions == "re-invite":
            return Procedure.EXPLICIT_REREGISTRATION
        return Procedure.REPLACES if self.sessions == "replaces" else Procedure.GLOBAL_REREGISTRATION


class HandOff(Arm):
    """The same, triggered at once and waited for."""

    trigger: TriggerKind = TriggerKind.CARRIER_LOSS
    within_s: float = Field(default=60.0, gt=0, le=600)

    def said(self) -> str:
        return f"{self.trigger} on {self.from_}, {self.ue} goes to {self.to}"

    async def do(self, bench: Bench) -> str | None:
        await bench.levers.arm(bench.ues[self.ue], self)
        await bench.levers.pull(self.from_, self.trigger, bench.ues)
        return await bench.handoff_over(self.ue, self.within_s)


class Finish(Keys):
    """Wait for the end of a handoff that was armed before; one that cannot succeed must fail as it is said here."""

    handoff: Ue = Field(default=MOVING, description="Whose handoff.")
    within_s: float = Field(default=60.0, gt=0, le=600)
    expect_failure: Literal["went-back", "ended"] | None = Field(
        default=None, description="The UE must give it up, and this is how that ends."
    )
    at: Literal["access", "register", "session"] | None = Field(default=None, description="The step that must fail.")

    def said(self) -> str:
        if self.expect_failure is None:
            return f"the handoff of {self.handoff} ends"
        at = f" at {self.at}" if self.at else ""
        return f"the handoff of {self.handoff} fails{at}: {self.expect_failure}"

    async def do(self, bench: Bench) -> str | None:
        if self.expect_failure is not None:
            return await bench.handoff_fails(self.handoff, self.expect_failure, self.at, self.within_s)
        return await bench.handoff_over(self.handoff, self.within_s)


class Cut(Word):
    """The cable of an access is pulled: its UE is told at once."""

    root: AccessName

    def said(self) -> str:
        return f"{self.root} loses its carrier"

    async def do(self, bench: Bench) -> str | None:
        await bench.levers.pull(self.root, TriggerKind.CARRIER_LOSS, bench.ues)
        return None


class Fade(Keys):
    """The signal of an access by radio gets weaker little by little, or comes back; the next step waits for its end."""

    access: AccessName
    to_db: float = Field(ge=0, le=120, description="Attenuation at its end; it begins with what is in force.")
    over_s: float = Field(gt=0, le=3600, description="Seconds that it takes.")
    steps_per_s: float = Field(default=10.0, gt=0, le=100)

    def said(self) -> str:
        return f"the signal of {self.access} goes to {self.to_db:g} dB of attenuation in {self.over_s:g} s"

    async def do(self, bench: Bench) -> str | None:
        return await bench.levers.fade(self.access, self.to_db, self.over_s, self.steps_per_s)


class Roam(Word):
    """The UE goes to the other access point of its Wi-Fi network, by fast transition (802.11r)."""

    root: AccessName

    def said(self) -> str:
        return f"the UE goes to the other access point of {self.root}"

    async def do(self, bench: Bench) -> str | None:
        went = await bench.ues[bench.plan.accesses[self.root].ue].order("roam", access=self.root)
        return f"to {went['bssid']}"


class Restore(Word):
    """What last happened to an access is over: its cable, or its stick, is plugged in again."""

    root: AccessName

    def said(self) -> str:
        return f"{self.root} is as it was"

    async def do(self, bench: Bench) -> str | None:
        await bench.levers.mend(self.root, bench.ues)
        return None


class Blackhole(Word):
    """All packets of an access vanish, and nobody is told."""

    root: AccessName

    def said(self) -> str:
        return f"{self.root} is a black hole"

    async def do(self, bench: Bench) -> str | None:
        await bench.levers.pull(self.root, TriggerKind.BLACKHOLE, bench.ues)
        return None


class Clear(Word):
    """The black hole is over."""

    root: AccessName

    def said(self) -> str:
        return f"{self.root} is no black hole any more"

    async def do(self, bench: Bench) -> str | None:
        await bench.levers.mend(self.root, bench.ues, TriggerKind.BLACKHOLE)
        return None


class CoreStep(Keys):
    """A daemon of the core stands still, goes on, dies, or is started anew."""

    stop: Daemon | None = Field(default=None, description="SIGSTOP: it answers nobody.")
    continue_: Daemon | None = Field(default=None, alias="continue", description="SIGCONT.")
    kill: Daemon | None = Field(default=None, description="SIGKILL.")
    restart: Daemon | None = Field(default=None, description="Ended and started anew; waited for.")

    def said(self) -> str:
        return "; ".join(f"{daemon}: {deed}" for deed, daemon in self._deeds())

    async def do(self, bench: Bench) -> str | None:
        deeds = self._deeds()
        if not deeds:
            raise UsageError("says not what to do", where="core", mend="write core: {restart: scscf}")
        for deed, daemon in deeds:
            await bench.levers.daemon(bench.core, deed, daemon)
        return None

    def _deeds(self) -> list[tuple[str, str]]:
        found = {"stop": self.stop, "continue": self.continue_, "kill": self.kill, "restart": self.restart}
        return [(deed, daemon) for deed, daemon in found.items() if daemon is not None]
