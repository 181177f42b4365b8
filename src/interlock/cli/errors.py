"""One place where failures become messages: what happened, the rule, the remedy, and an exit code.

Exit codes: 1 for a refusal or a strategy that raised, 2 for a command line that cannot be read (by
click), 130 after an interrupt.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Literal

import click

INTERRUPTED = 130
_PACKAGE = str(Path(__file__).resolve().parents[1]) + os.sep
_EXAMPLES = _PACKAGE + "examples" + os.sep

# Refusals whose message is written for the user. Named, not imported: a command that does not
# touch a module shall not wait for it, and an error of a module that is not loaded cannot occur.
_REFUSALS = (
    "interlock.wiring:WiringError",
    "interlock.runtime.modes:ModeError",
    "interlock.live.api:ApiError",
    "interlock.live.start:StartError",
    "interlock.live.shadow:ShadowError",
    "interlock.live.terms:TermsError",
    "interlock.incidents.contents:IncidentError",
    "interlock.adapters.connecting:Refusal",
    "interlock.adapters.ccxt_history.errors:HistoryError",
    "interlock.cli.venue:VenueError",
    "interlock.scenarios.registry:ScenarioError",
    "interlock.sim.faults.script:ScriptError",
    "interlock.venue.recorded:RecordedError",
    "interlock.adapters.system:LockHeldError",
    "interlock.adapters.signing:KeyFault",
    "interlock.cli.demo_exchange:DemoError",
    "interlock.live.control:NotRunning",
    "interlock.config:ConfigError",
    "interlock.model.instrument:InstrumentError",
    "interlock.model.order:SpecError",
    "interlock.model.rows:RowError",
    "interlock.model.units:UnitError",
    "interlock.ports:LedgerFault",
    "interlock.research.options:BacktestError",
    "interlock.research.catalog.errors:CatalogError",
    "interlock.research.download:DownloadError",
    "interlock.research.loading:LoadingError",
    "interlock.research.results:ResultError",
    "interlock.research.run_file:RunFileError",
    "interlock.research.runs:ChangedDataError",
    "interlock.research.selection_text:SelectionError",
    "interlock.research.sweep.space:SweepError",
    "interlock.research.synthetic.symbols:SyntheticError",
    "interlock.sim.matching:BookError",
    "interlock.simulation.log:LogError",
    "interlock.strategy.aggregation:AggregationError",
    "interlock.strategy.api:StrategyError",
    "interlock.strategy.columns:ColumnError",
    "interlock.strategy.parameters:ParameterError",
)


class Refusals:
    """A context in which an expected failure ends as one message and a non-zero exit."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Literal[False]:
        if isinstance(error, KeyboardInterrupt):
            click.echo("\ninterrupted; nothing unfinished was kept", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None
        if isinstance(error, BrokenPipeError):
            return False
        # First what is written for the user: a refusal may be an OSError too.
        if isinstance(error, known_refusals()):
            raise click.ClickException(str(error)) from error
        if isinstance(error, OSError):
            raise click.ClickException(_about_file(error)) from error
        return False


def known_refusals() -> tuple[type[Exception], ...]:
    """The classes of refusals that the loaded modules define."""
    found = []
    for name in _REFUSALS:
        place, _, attribute = name.partition(":")
        if place in sys.modules:
            found.append(getattr(import_module(place), attribute))
    return tuple(found)


def _about_file(error: OSError) -> str:
    name = error.filename or "a file"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "free some space, or name a folder on another disk"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = "change its permissions, or name another place"
    else:
        remedy = "check the path"
    return f"{name} cannot be used: {error.strerror or error}; {remedy}"


@dataclass(slots=True)
class StrategyFailures:
    """A context in which an exception of the user's code shows the user's lines.

    ``pdb`` opens the debugger at the innermost of them, ``everything`` shows every frame.
    """

    path: Path | None = None
    parameters: dict[str, Any] | None = None
    pdb: bool = False
    everything: bool = False

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Literal[False]:
        if not isinstance(error, Exception):
            return False
        if type(error).__name__ == "BdbQuit":
            click.echo("left the debugger; the run ended there and nothing was kept", err=True)
            raise click.exceptions.Exit(1) from None
        if isinstance(error, click.ClickException | click.exceptions.Exit):
            return False
        own = _own(trace)
        if not own and not (isinstance(error, SyntaxError) and error.filename):
            return False
        self._show(error, own)
        if self.pdb and own:
            _debug(own[-1])
        raise click.exceptions.Exit(1) from None

    def _show(self, error: Exception, own: list[TracebackType]) -> None:
        trace = error.__traceback__
        if self.everything:
            lines = traceback.format_exception(error)
        elif own:
            entries = zip(_walk(trace), traceback.extract_tb(trace), strict=True)
            stack = traceback.StackSummary.from_list(
                [entry for item, entry in entries if item in own]
            )
            lines = [*stack.format(), *traceback.format_exception_only(error)]
        else:
            lines = traceback.format_exception_only(error)
        click.echo(_headline(error, own), err=True)
        click.echo("".join(lines).rstrip(), err=True)
        where = moment_of(trace)
        if where:
            click.echo(f"  while handling {where}", err=True)
        if self.parameters:
            shown = ", ".join(f"{key}={value!r}" for key, value in self.parameters.items())
            click.echo(f"  with {shown}", err=True)
        if own and not self.everything and not self.pdb:
            click.echo("  --pdb looks at the variables there; --traceback shows all", err=True)


def moment_of(trace: TracebackType | None) -> str:
    """The event in progress: its kind, instrument and time, as far as the frames tell."""
    from interlock.model.events import Report
    from interlock.model.market import Bar, Book, Quote, Trade
    from interlock.research.catalog import iso

    found: Any = None
    clock: int | None = None
    for item in _walk(trace):
        for value in item.tb_frame.f_locals.values():
            if isinstance(value, Bar | Quote | Trade | Book | Report):
                found = value
            view = getattr(value, "view", None) if hasattr(value, "_outbox") else None
            clock = getattr(view, "ts_event", clock)
    if found is None:
        return "" if clock is None else f"an event at {iso(clock)}"
    instrument = getattr(getattr(found, "instrument", None), "id", "")
    name = {"Bar": "the bar"}.get(type(found).__name__, f"the {type(found).__name__.lower()}")
    of = f" of {instrument}" if instrument else ""
    closed = " that closed" if isinstance(found, Bar) else ""
    return f"{name}{of}{closed} at {iso(found.ts_event)}"


def _headline(error: Exception, own: list[TracebackType]) -> str:
    kind = type(error).__name__
    if own:
        frame = own[-1].tb_frame
        place = f"{Path(frame.f_code.co_filename).name}, line {own[-1].tb_lineno}"
        return f"Error: the strategy raised {kind} in {place}"
    return f"Error: the strategy cannot be read ({kind})"


def _walk(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _own(trace: TracebackType | None) -> list[TracebackType]:
    """The frames of the user's code: those that ours called, whoever called us."""
    frames = list(_walk(trace))
    first = next(
        (at for at, item in enumerate(frames) if _file(item.tb_frame).startswith(_PACKAGE)),
        len(frames),
    )
    return [item for item in frames[first:] if _is_own(item.tb_frame)]


def _file(frame: FrameType) -> str:
    return os.path.abspath(frame.f_code.co_filename)


def _is_own(frame: FrameType) -> bool:
    """Whether a frame is code of the user: not ours, not the library's, not a package's."""
    if frame.f_code.co_filename.startswith("<"):
        return False
    name = _file(frame)
    if name.startswith(_PACKAGE):
        return name.startswith(_EXAMPLES)
    packages = ("site-packages", "dist-packages")
    return not name.startswith(os.path.dirname(os.__file__)) and not any(
        f"{os.sep}{folder}{os.sep}" in name for folder in packages
    )


def _debug(at: TracebackType) -> None:
    """The debugger at the user's frame: it opens at the last frame of a traceback."""
    from pdb import post_mortem

    at.tb_next = None
    post_mortem(at)
