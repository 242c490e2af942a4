"""`testbed`: the bench command line.  Each verb lives in a module of its own and is imported only when it is used."""

from __future__ import annotations

import importlib
import sys

import click

from testbed.errors import TestbedError

# verb -> (module, attribute, one line of help).  The help stands here so that `testbed --help` imports nothing else.
VERBS = {
    "run": ("testbed.cli.run", "run", "Run a scenario on a rig and measure the handoff."),
    "conformance": ("testbed.cli.conformance", "conformance", "Show all of the proposal, row by row."),
    "study": ("testbed.cli.study", "study", "Sweep over many runs, and draw what came of them."),
    "scenario": ("testbed.cli.scenario", "scenario", "List, show and check scenarios."),
    "scenarios": ("testbed.cli.scenario", "scenarios", "List the scenarios that ship."),
    "doctor": ("testbed.cli.doctor", "doctor", "Say what this machine can do, and how to mend what it lacks."),
    "topology": ("testbed.cli.topology", "topology", "Check, draw and describe topology files."),
    "subscriber": ("testbed.cli.subscriber", "subscriber", "Subscribers of the home network's HSS."),
    "modem": ("testbed.cli.modem", "modem", "LTE modems: list, look at, talk to, watch, reset; a virtual one."),
    "wifi": ("testbed.cli.wifi", "wifi", "Wi-Fi: radios of this machine, scan, stations of an access point, watch."),
    "rf": ("testbed.cli.rf", "rf", "Attenuators, relays, USB power: list, set, ramp, put in their safe state."),
    "kernel": ("testbed.cli.kernel", "kernel", "The kernel a rig runs on."),
    "report": ("testbed.cli.report", "report", "Analyse a run's folder again and rebuild its report."),
    "runs": ("testbed.cli.runs", "runs", "The runs that lie in a folder."),
    "bench": ("testbed.cli.bench", "bench", "Figures: bring-up, core, registration, handoff over floor, analysis, AT."),
    "clean": ("testbed.cli.clean", "clean", "Undo what a dead run left behind, and only that."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported on first use, which keeps `--help` fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, attribute, _ = VERBS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, _, text) in VERBS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="handoff-testbed")
def cli() -> None:
    """Force a UE from one access network to another in the middle of a call, and measure what it cost."""


def main() -> None:
    """Entry point: turns the project's errors into a sentence on standard error and their exit code."""
    try:
        cli(prog_name="testbed")
    except TestbedError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
