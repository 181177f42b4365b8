"""The command line: each command is imported when it is used, so that help comes at once."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

import interlock
from interlock.cli.errors import Refusals

# Name -> (module, attribute, line of the overview), in the order of a person's work.
_COMMANDS = {
    "demo": ("interlock.cli.demo", "demo", "Two strategies on the synthetic market, in a minute."),
    "new": ("interlock.cli.new", "new", "Write a strategy to start from."),
    "backtest": ("interlock.cli.backtest", "backtest", "Run a strategy over data."),
    "sweep": ("interlock.cli.sweep", "sweep", "Run a strategy over many parameters."),
    "check": ("interlock.cli.check", "check", "Look for mistakes in a strategy."),
    "data": ("interlock.cli.data", "data", "Import, download, list and check market data."),
    "venue": ("interlock.cli.venue", "venue", "Run an exchange on localhost for any client."),
    "results": ("interlock.cli.results", "results", "List, compare and open results."),
    "live": ("interlock.cli.live", "live", "Trade a strategy on a venue."),
    "top": ("interlock.cli.top", "top", "Watch a running engine."),
    "control": ("interlock.cli.control", "control", "Pause, halt or stop a running engine."),
    "scenario": ("interlock.cli.scenario", "scenario", "Run bot users' complaints as tests."),
    "simulate": ("interlock.cli.simulate", "simulate", "Play the whole system under faults."),
    "shadow": ("interlock.cli.shadow", "shadow", "Compare a live run with its shadow."),
    "incident": ("interlock.cli.incident", "incident", "Capture a window of a run; replay it."),
    "ledger": ("interlock.cli.ledger", "ledger", "Verify, ask and export what live trading did."),
}


class LateGroup(click.Group):
    """A group that knows its commands by name and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        place, attribute, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(place), attribute)
        if cmd_name == "data" and isinstance(command, click.Group):
            command.add_command(import_module("interlock.cli.download").download)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, _COMMANDS[name][2]) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        with Refusals():
            return super().invoke(ctx)


@click.group(
    cls=LateGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `interlock demo`. Help on a command: interlock COMMAND --help",
)
@click.version_option(interlock.__version__, prog_name="interlock")
def main() -> None:
    """Backtests that can be believed, from a strategy file to a report."""
