"""`testbed run`: a scenario on a rig, as often as asked for, with its evidence and verdict."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from testbed.cli.options import JSON, KERNEL, RIG, RUNS, clock_option
from testbed.errors import RigError, UsageError

# As testbed.measure.words has them, which is not imported for `--help`; a fade is a step of its own.
TRIGGERS = (
    "carrier-loss", "blackhole", "signal-low", "ap-power-off", "ap-silent", "ap-deauth", "stick-pulled",
    "usb-port-disabled", "coverage-loss", "context-deactivated", "network-detach", "context-given-up", "airplane-mode",
)  # fmt: skip

if TYPE_CHECKING:
    from testbed.rig.kernel.uml import Clock
    from testbed.scenario.catalogue import AnyScenario
    from testbed.scenario.site import RunOptions

# What every run starts, and the package that has it on Debian.  The core and the captures say the rest themselves.
TOOLS = {"kamailio": "kamailio kamailio-ims-modules kamailio-python3-modules", "dumpcap": "wireshark-common"}


@dataclass(frozen=True)
class Asked:
    """The options that are not the scenario's."""

    topology: str | None
    kernel: str
    clock: Clock
    runs: Path
    repeat: int
    as_json: bool
    settings: tuple[str, ...]
    no_decryption_keys: bool
    all_captures: bool
    subscribers: Path | None
    without: tuple[str, ...]
    rig: str
    one_of: str | None
    run_folder: Path | None

    @property
    def writable(self) -> list[Path]:
        """What a guest must be able to write: the HSS writes sequence numbers back into a store."""
        return [self.runs.absolute(), *([self.subscribers.parent] if self.subscribers else [])]

    def run_options(self) -> RunOptions:
        from testbed.scenario.site import RunOptions

        return RunOptions(
            rig=self.rig,
            keep_keys=not self.no_decryption_keys,
            all_captures=self.all_captures,
            subscribers=self.subscribers,
            without=frozenset(self.without),
        )


@click.command()
@click.argument("name", metavar="[SCENARIO]", required=False)
@click.option("--list", "list_them", is_flag=True, help="List the scenarios that ship, and run none.")
@click.option("--topology", metavar="FILE", help="A file, or one that ships; the scenario's own when not given.")
@KERNEL
@clock_option("real")
@RUNS
@click.option(
    "--repeat", type=click.IntRange(1, 10_000), default=1, metavar="N", help="Run it N times, and sum them up."
)
@JSON
@click.option("--trigger", type=click.Choice(TRIGGERS), help="What happens to the old access.")
@click.option("--make-before-break", is_flag=True, default=None, help="Move the session before the old access is cut.")
@click.option("--transport", type=click.Choice(["udp", "tcp"]), help="Of SIP between UE and P-CSCF.")
@click.option("--ip", type=click.Choice(["4", "6"]), help="IP version of the accesses.")
@click.option("--alg", type=click.Choice(["hmac-sha-1-96", "hmac-md5-96"]), help="ESP integrity.")
@click.option("--ealg", type=click.Choice(["null", "aes-cbc"]), help="ESP encryption.")
@click.option("--silence-ms", type=float, metavar="MS", help="Media silence after which a black hole is noticed.")
@click.option("--move", type=click.Choice(["re-invite", "replaces"]), help="How the session follows.")
@click.option("--handoffs", type=int, metavar="N", help="So many in one call, back and forth (see the scenario soak).")
@click.option("--seed", type=int, metavar="N", help="Makes keys, tags and ports repeat.")
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="Any other key of a scenario file.")
@click.option(
    "--no-decryption-keys", is_flag=True, help="Leave no captures/esp_sa: the protected SIP stays unreadable."
)
@click.option(
    "--all-captures", is_flag=True, help="Capture at the servers too: tells whose the core's time is, and takes some."
)
@click.option(
    "--subscribers",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, resolve_path=True),
    help="A file of `testbed subscriber` that the HSS serves from; subscribers of the run's own when not given.",
)
@click.option(
    "--without", metavar="RULE", multiple=True, help="A rule of the core that is left out (see `testbed conformance`)."
)
@click.option("--one-of", hidden=True, metavar="NUMBER/TIMES", help="One run of several, analysed elsewhere.")
@click.option("--run-folder", hidden=True, type=click.Path(path_type=Path), help="Where that run's evidence goes.")
@RIG
def run(name: str | None, list_them: bool, ip: str | None, **options: Any) -> None:
    """Run SCENARIO on a rig and measure the handoff.

    SCENARIO is one that ships (see --list) or the path of a file; options change it.  Each run leaves a folder with
    its evidence, result.json and report.html.

    \b
    Exit code, that of the worst run in this order:
      3  rig-error  the bench failed
      4  invalid    the figures cannot be trusted
      1  failed     the system under test did not do what was expected
      0  passed
    2 is wrong usage: nothing was started.  130 is Ctrl-C: everything is undone and the evidence so far is kept.
    """
    if list_them:
        return list_scenarios(as_json=options["as_json"])
    if name is None:
        raise click.UsageError("Missing argument 'SCENARIO'; --list shows those that ship.")
    asked = Asked(**{each.name: options.pop(each.name) for each in fields(Asked)})
    scenario = chosen(name, asked.settings, ip=int(ip) if ip else None, **options)
    path = fitting_topology(scenario, asked.topology, asked.clock)
    check_tools(asked.rig)
    sys.exit(_carried_out(scenario, path, asked))


def _carried_out(scenario: AnyScenario, topology: Path, asked: Asked) -> int:
    """The runs, here or in guests; the exit code."""
    elsewhere = needs_guest(asked.kernel, asked.clock)
    if elsewhere:
        from testbed.topology.clock import refuse_guest
        from testbed.topology.load import load

        refuse_guest(load(topology))
    if elsewhere and asked.clock == "real":
        from testbed.rig.kernel.choose import repeat_in_guest

        return repeat_in_guest(asked.writable, clock=asked.clock)

    from testbed.cli.repeats import Repeats

    repeats = Repeats(scenario, topology, asked.runs, asked.run_options(), as_json=asked.as_json)
    if elsewhere:
        from testbed.cli.simulated import carry_out

        return carry_out(repeats, asked.repeat, scenario.seed, asked.writable)
    if asked.one_of and asked.run_folder:
        from testbed.results.folder import RunFolder

        number, _, times = asked.one_of.partition("/")
        return repeats.record(int(number), int(times), RunFolder(asked.run_folder))
    return repeats.carry_out(asked.repeat)


def chosen(name: str, settings: tuple[str, ...], **options: Any) -> AnyScenario:
    """The scenario with the options of the command line.  Raises UsageError for what does not exist or fit together."""
    from testbed.scenario.catalogue import find

    return _with_settings(find(name).with_options(**options), settings)


def fitting_topology(scenario: AnyScenario, name: str | None, clock: Clock) -> Path:
    """The topology's file, checked, and that the scenario can run on it.  Raises UsageError."""
    from testbed.topology.clock import refuse_simulated
    from testbed.topology.load import load, resolve
    from testbed.topology.planning import make_plan

    path = resolve(name or scenario.topology)
    topology = load(path)
    if clock == "simulated":
        refuse_simulated(topology)
    plan = make_plan(topology)
    scenario.fit(plan)
    if plan.sticks or plan.wifis:
        from testbed.rig.kernel.choose import require_radios

        require_radios(usb=bool(plan.sticks), wifi=bool(plan.wifis))
    return path.resolve()


def check_tools(rig: str) -> None:
    """Raises, before guest or run are started, for a rig's name that is none and for tools that are missing."""
    from testbed.rig.kernel.uml import find
    from testbed.rig.reservation import check_name

    check_name(rig)
    missing = [tool for tool in TOOLS if find(tool) is None]
    if missing:
        packages = " ".join(TOOLS[tool] for tool in missing)
        mend = f"`make setup`, or apt-get install {packages}; `testbed doctor` says all that is missing"
        raise RigError(f"{' and '.join(missing)} cannot be found", where="this machine", mend=mend)


def needs_guest(wanted: str, clock: Clock) -> bool:
    """Whether the runs need a guest: this kernel will not do, or time shall be simulated."""
    from testbed.rig.kernel.choose import choose

    choice = choose(wanted, clock)
    if choice.kernel == "host":
        return False
    click.echo(f"kernel {choice.kernel}: {choice.reason}", err=True)
    return True


def _with_settings(scenario: AnyScenario, settings: tuple[str, ...]) -> AnyScenario:
    """`--set settle_s=3 --set expect.max_lost=0`: keys as a scenario file has them, values in YAML."""
    from testbed.topology.faults import FileFaults, nearest

    data = scenario.as_data()
    known = {field.alias or name: name for name, field in type(scenario).model_fields.items()}
    changes: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        top, dot, below = key.partition(".")
        if not equals or top not in known or (dot and top != "expect"):
            mend = nearest(top, list(known), "the keys are") if equals else "write --set KEY=VALUE"
            raise UsageError(f"`{key}` is no key of a scenario", where="--set", mend=mend)
        if dot:
            data["expect"] = {**data["expect"], below: _value(value)}
            changes["expect"] = data["expect"]
        else:
            changes[known[top]] = _value(value)
    written = {f"--{setting.partition('=')[0].replace('_', '-')}": setting.partition("=")[0] for setting in settings}
    try:
        return scenario.with_options(**changes) if changes else scenario
    except FileFaults as wrong:
        faults = (replace(fault, key=f"--set {written.get(fault.key, fault.key)}") for fault in wrong.faults)
        raise FileFaults(faults) from wrong


def _value(text: str) -> Any:
    """A number, a truth value or nothing where it is one in YAML; else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def list_scenarios(*, as_json: bool) -> None:
    """The scenarios that ship, with the rows of the proposal's table that they show."""
    from testbed.scenario.catalogue import catalogue

    scenarios = catalogue()
    if as_json:
        records = [
            {"name": name, "title": scenario.title, "rows": scenario.rows, "topology": scenario.topology}
            for name, scenario in scenarios.items()
        ]
        click.echo(json.dumps({"scenarios": records}, indent=2))
        return
    width = max(map(len, scenarios), default=0)
    for name, scenario in scenarios.items():
        rows = ",".join(map(str, scenario.rows))
        click.echo(f"{name:{width}}  {rows:5}  {scenario.title}")
