"""`interlock simulate`: the whole system under a seed, in virtual time, with every fault."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from interlock.cli.errors import INTERRUPTED

if TYPE_CHECKING:
    from interlock.simulation import Summary
    from interlock.world.plan import Plan
    from interlock.world.world import Verdict

_MINUTE_NS = 60 * 10**9
# What a file of JSON gives back as it was.
_SEED = click.IntRange(0, 2**63 - 1)
# A week; a longer time is better played as more seeds.
_MINUTES = click.IntRange(1, 7 * 24 * 60)


@click.command()
@click.option("--seed", type=_SEED, help="Play one seed; with --trace its story.")
@click.option("--plan", "plan_file", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Play a plan from a file, as a shrunk failure leaves it.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(1), default=100, show_default=True,
              help="How many seeds to sweep.")  # fmt: skip
@click.option("--from", "first", type=_SEED, default=1, show_default=True, help="The first seed.")
@click.option("--minutes", type=_MINUTES, default=30, show_default=True,
              help="Simulated minutes with faults.")  # fmt: skip
@click.option("--venue", type=click.Choice(["binance", "hyperliquid"]), default="binance",
              show_default=True, help="Whose protocol the exchange speaks.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(0), default=0, help="Processes.  [default: cores]")
@click.option("--trace", is_flag=True, help="Tell what happens, line by line (one seed or plan).")
@click.option("--shrink/--no-shrink", "shrinks", default=True, show_default=True,
              help="Look for the smallest plan of the first failure.")  # fmt: skip
@click.option("--page", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Where a sweep puts its page.  [default: results/simulation.html]")  # fmt: skip
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Add a line about the sweep to a log.")  # fmt: skip
@click.option("--show-log", is_flag=True,
              help="Print the log instead: every sweep, and how far they count.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def simulate(**given: Any) -> None:
    """Play the whole system in virtual time under seeded faults and judge every step.

    A seed that fails is a bug: the same seed fails again, bit for bit.

    \b
    interlock simulate --seeds 500
    interlock simulate --seeds 500 --venue hyperliquid
    interlock simulate --seed 4711 --trace
    interlock simulate --plan failure-4711.json --trace
    """
    from interlock.world.plan import PlanError, drawn

    _check_together(given)
    minutes = given["minutes"]
    if given["show_log"]:
        _show_log(given["log"])
        return
    try:
        if given["plan_file"] is not None:
            plan = _read_plan(given["plan_file"])
        elif given["seed"] is not None:
            plan = drawn(given["seed"], busy_ns=minutes * _MINUTE_NS, venue=given["venue"])
        else:
            _sweep(given)
            return
    except PlanError as error:
        raise click.ClickException(str(error)) from error
    _one(plan, trace=given["trace"], as_json=given["as_json"])


def _read_plan(path: Path) -> Plan:
    from interlock.world.plan import PlanError, from_json

    try:
        return from_json(path.read_bytes())
    except PlanError as error:
        raise PlanError(f"{path}: {error}") from error


def _check_together(given: dict[str, Any]) -> None:
    """Options that mean nothing together; raises UsageError."""
    if given["seed"] is not None and given["plan_file"] is not None:
        raise click.UsageError("a plan has a seed of its own: give --seed or --plan")
    if given["venue"] != "binance" and given["plan_file"] is not None:
        raise click.UsageError("a plan has a venue of its own: leave --venue out")
    is_sweep = given["seed"] is None and given["plan_file"] is None
    if given["trace"] and is_sweep:
        raise click.UsageError("--trace tells the story of one: give it with --seed or --plan")
    if given["trace"] and given["as_json"]:
        raise click.UsageError("--trace is for people and --json for programs: give one of them")
    if not is_sweep:
        _check_alone(given["plan_file"] is not None)


def _check_alone(is_plan: bool) -> None:
    """What is for sweeps, or what a plan says itself, is not given with one."""
    said = click.get_current_context().get_parameter_source
    for name, option in (("page", "page"), ("log", "log"), ("seeds", "seeds"), ("first", "from")):
        if said(name) is not ParameterSource.DEFAULT:
            raise click.UsageError(f"--{option} is for sweeps: leave --seed and --plan out")
    if is_plan and said("minutes") is not ParameterSource.DEFAULT:
        raise click.UsageError("a plan has a length of its own: leave --minutes out")


def _one(plan: Plan, *, trace: bool, as_json: bool) -> None:
    from interlock.simulation import play

    verdict = play(plan, write=click.echo if trace else None)
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(msgspec.to_builtins(verdict)).decode())
    else:
        _tell(verdict)
    if not verdict.is_clean:
        sys.exit(1)


def _tell(verdict: Verdict) -> None:
    seconds = verdict.simulated_ns // 10**9
    click.echo(
        f"seed {verdict.plan.seed}: {seconds // 60} min {seconds % 60} s simulated, "
        f"{verdict.inputs:,} inputs, {verdict.orders:,} orders, {verdict.fills:,} executions, "
        f"{sum(verdict.struck.values()):,} faults, "
        f"{verdict.lives} {'life' if verdict.lives == 1 else 'lives'} of engines"
    )
    click.echo(f"digest {verdict.digest}")
    if verdict.is_clean:
        click.echo("every invariant held")
    else:
        click.echo(f"VIOLATED {verdict.invariant}: {verdict.text}")


def _sweep(given: dict[str, Any]) -> None:
    from interlock.adapters.system import SystemClock
    from interlock.simulation import sweep
    from interlock.simulation.log import append, commit_of, line_of

    page = given["page"] or Path("results") / "simulation.html"
    # Said before hours of seeds, not after them.
    for path in (page, given["log"]):
        if path is not None:
            _check_writable(path)
    shown = _Bar(given["seeds"], is_quiet=given["as_json"])
    try:
        with shown:
            summary = sweep(
                given["first"],
                given["seeds"],
                minutes=given["minutes"],
                venue=given["venue"],
                jobs=given["jobs"],
                told=shown.add,
            )
    except KeyboardInterrupt:
        found = f": {', '.join(map(str, shown.failed))}" if shown.failed else ""
        click.echo(
            f"\ninterrupted after {shown.done} seeds, {len(shown.failed)} of them failed{found}",
            err=True,
        )
        raise click.exceptions.Exit(INTERRUPTED) from None
    now = datetime.fromtimestamp(SystemClock().now_ns() // 10**9, UTC)
    date = f"{now:%Y-%m-%d %H:%M} UTC"
    commit = commit_of(Path(__file__).resolve().parent, given["venue"])
    if given["log"] is not None:
        append(given["log"], line_of(summary, commit=commit, date=date))
    _write_page(summary, page, given, commit=commit, date=date)
    if given["as_json"]:
        import msgspec

        line = line_of(summary, commit=commit, date=date)
        click.echo(msgspec.json.encode(line).decode())
    else:
        _tell_summary(summary, page)
    if summary.failed:
        if given["shrinks"]:
            _shrink(summary.failed, page.parent, is_quiet=given["as_json"])
        sys.exit(1)


def _check_writable(path: Path) -> None:
    """Raise OSError where nothing can be written; leaves no file behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    path.open("ab").close()
    if is_new:
        path.unlink()


def _show_log(log: Path | None) -> None:
    from interlock.simulation.log import RELEASE_GOAL, rarest, read, since_change, table

    if log is None or not log.is_file():
        named = "" if log is None else f": {log} is none"
        raise click.UsageError(f"--show-log needs --log with the file of a log{named}")
    lines = read(log)
    click.echo(table(lines))
    click.echo()
    for venue in dict.fromkeys(line.venue for line in lines):
        counted = since_change(Path(__file__).resolve().parent, lines, venue)
        clean = sum(line.clean for line in lines if line.venue == venue)
        click.echo(
            f"{venue}: {clean:,} clean seeds in all; {counted:,} half hours of the "
            f"{RELEASE_GOAL:,} that a release asks for since the last change of the order path"
        )
    seeds, least = rarest(lines)
    if seeds:
        named = ", ".join(f"{name} {count:,}" for name, count in least)
        click.echo(f"least often in the {seeds:,} seeds that were counted by kind: {named}")


def _write_page(
    summary: Summary, page: Path, given: dict[str, Any], *, commit: str, date: str
) -> None:
    from interlock.simulation.page import render

    command = (
        f"interlock simulate --seeds {given['seeds']} --from {given['first']} "
        f"--minutes {given['minutes']}"
    )
    if given["venue"] != "binance":
        command += f" --venue {given['venue']}"
    page.write_text(render(summary, command=command, commit=commit, date=date))


def _tell_summary(summary: Summary, page: Path) -> None:
    plural = "" if summary.seeds == 1 else "s"
    click.echo(
        f"{summary.seeds:,} seed{plural}, {summary.hours:,.1f} simulated hours in "
        f"{summary.cpu_s:,.0f} core seconds ({summary.hours_per_core_hour:,.0f} hours per "
        f"core hour): {summary.orders:,} orders, {sum(summary.struck.values()):,} faults, "
        f"{summary.lives:,} {'life' if summary.lives == 1 else 'lives'} of engines"
    )
    if summary.failed:
        found = ", ".join(f"{name} {count}" for name, count in sorted(summary.violated.items()))
        click.echo(f"VIOLATED in {summary.seeds - summary.clean} seeds: {found}")
        for verdict in sorted(summary.failed, key=lambda item: item.plan.seed)[:10]:
            click.echo(f"  seed {verdict.plan.seed}: {verdict.invariant}: {verdict.text}")
    else:
        click.echo("every invariant held in every seed")
    if summary.never:
        click.echo(f"never mattered: {', '.join(summary.never)}")
    if summary.unreached:
        click.echo(f"never reached: {', '.join(summary.unreached)}")
    click.echo(f"page: {page}")


def _shrink(failed: list[Verdict], folder: Path, *, is_quiet: bool) -> None:
    """The smallest plan of the failure that took the least time; ``is_quiet``: told on stderr."""
    from interlock.simulation import play
    from interlock.world.plan import to_json
    from interlock.world.shrink import shrink

    first = min(failed, key=lambda verdict: (verdict.simulated_ns, verdict.plan.seed))
    click.echo(f"shrinking seed {first.plan.seed} ...", err=is_quiet)
    small = shrink(play, first)
    path = folder / f"failure-{first.plan.seed}.json"
    path.write_bytes(to_json(small.plan))
    strikes = ", ".join(small.strikes) or "no fault at all"
    click.echo(
        f"smallest: {small.plan.busy_ns // 10**9} s with {strikes}\n  {small.invariant}: "
        f"{small.text}\n  interlock simulate --plan {path} --trace",
        err=is_quiet,
    )


class _Bar:
    """A bar on a terminal, nothing elsewhere."""

    def __init__(self, total: int, *, is_quiet: bool) -> None:
        self.done = 0
        self.failed: list[int] = []
        self._total = total
        self._bar: Any = None
        self._task: Any = None
        self._is_quiet = is_quiet or not sys.stderr.isatty()

    def __enter__(self) -> _Bar:
        if not self._is_quiet:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                TimeRemainingColumn(), TextColumn("{task.fields[found]}"),
                console=Console(stderr=True),
            )  # fmt: skip
            self._task = self._bar.add_task("seeds", total=self._total, found="")
            self._bar.__enter__()
        return self

    def __exit__(self, *given: Any) -> None:
        if self._bar is not None:
            self._bar.__exit__(*given)

    def add(self, verdict: Verdict) -> None:
        """One more seed has been played."""
        self.done += 1
        if not verdict.is_clean:
            self.failed.append(verdict.plan.seed)
        if self._bar is not None:
            found = f"[red]{len(self.failed)} violations[/red]" if self.failed else "clean"
            self._bar.update(self._task, completed=self.done, found=found)
        elif not verdict.is_clean and not self._is_quiet:
            click.echo(f"seed {verdict.plan.seed}: {verdict.invariant}", err=True)
