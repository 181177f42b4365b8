"""`interlock incident`: a window of a run in one file, what is in it, and what it decides again."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from interlock import config
from interlock.cli.errors import StrategyFailures
from interlock.incidents.capture import Captured, Window, capture
from interlock.incidents.contents import Incident, IncidentError, open_incident
from interlock.incidents.running import Verdict, replay
from interlock.incidents.telling import contents_lines, now_then, verdict_lines
from interlock.research.catalog import instant

_SPAN = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_UNITS = {"s": 10**9, "m": 60 * 10**9, "h": 3_600 * 10**9, "d": 86_400 * 10**9}


@click.group()
def incident() -> None:
    """Seal a window of a live or paper run in a file, and replay it elsewhere.

    \b
    interlock incident capture live/main --last 10m -o friday.incident
    interlock incident replay friday.incident
    interlock incident replay friday.incident --change limits.order_notional_max=500
    """


@incident.command("capture")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "-o",
    "--output",
    "target",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write.",
)
@click.option("--from", "begin", metavar="TIME", help="First moment, ISO 8601; UTC unless it says.")
@click.option("--to", "end", metavar="TIME", help="Last moment.  [default: the newest row]")
@click.option("--last", "span", metavar="10m", help="So long before the end: 90s, 10m, 2h, 1d.")
@click.option("--from-start", is_flag=True,
              help="From the run's first row, without a snapshot.")  # fmt: skip
@click.option("--ledger", default="", metavar="FILE|URL",
              help="Where the ledger is not in the folder.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def capture_command(
    folder: Path,
    target: Path,
    begin: str | None,
    end: str | None,
    span: str | None,
    from_start: bool,
    ledger: str,
    as_json: bool,
) -> None:
    """Seal a window of the state FOLDER of `interlock live`, also while it runs.

    Without times all of the run that is there. The file holds rows, market, snapshot, settings,
    limits and the source of the strategies, no keys.
    """
    if span and begin:
        raise click.UsageError("give --last or --from, not both")
    window = Window(
        ts_from=instant(begin) if begin else 0,
        ts_to=instant(end) if end else 0,
        span=_span(span) if span else 0,
        is_whole=from_start,
    )
    keys = config.secrets()
    secrets = [key for key in (keys.key, keys.secret, keys.wallet_key) if key]
    found = capture(folder, target, window, ledger=ledger, secrets=secrets)
    if as_json:
        click.echo(msgspec.json.encode(_captured(found)).decode())
        return
    for line in contents_lines(open_incident(found.path), found.path):
        click.echo(line)


def _captured(found: Captured) -> dict[str, Any]:
    return {"file": str(found.path), "seal": found.seal, **msgspec.to_builtins(found.manifest)}


@incident.command("show")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--source", is_flag=True, help="Print the sealed source of the strategies.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show_command(file: Path, source: bool, as_json: bool) -> None:
    """Check FILE and say what is in it. Nothing of it is run."""
    found = open_incident(file)
    if as_json:
        content = {
            "seal": found.seal,
            "manifest": found.manifest,
            "terms": found.terms,
        }
        click.echo(msgspec.json.encode(content).decode())
        return
    if source:
        for member in found.terms.members:
            click.echo(f"# {member.reference}, SHA-256 {member.source_sha256 or 'none'}")
            click.echo(member.source)
        return
    for line in contents_lines(found, file):
        click.echo(line)


@incident.command("replay")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--change", "changes", multiple=True, metavar="NAME=VALUE",
              help="A parameter, limits.FIELD or cash; may be repeated.")  # fmt: skip
@click.option("--strategy", default="", metavar="FILE|NAME",
              help="Another strategy in place of the sealed one, such as a fix.")  # fmt: skip
@click.option("--all", "lists", is_flag=True, help="Print every difference, not the first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--pdb", is_flag=True, help="Open the debugger where loading a strategy raises.")
@click.option("--traceback", is_flag=True, help="Show every frame of such an error.")
def replay_command(
    file: Path,
    changes: tuple[str, ...],
    strategy: str,
    lists: bool,
    as_json: bool,
    pdb: bool,
    traceback: bool,
) -> None:
    """Run FILE again and compare its decisions with the recorded ones.

    This runs the strategies' code that is in the file: replay files of people you trust. With
    changes it says what would have been decided otherwise, and from where on; executions stay
    those of the record (docs/incidents.md).

    Exit code 0: as recorded, or replayed with changes. 1: not as recorded.
    """
    found = open_incident(file)
    with StrategyFailures(pdb=pdb, everything=traceback):
        verdict = replay(found, changes, strategy)
    if as_json:
        click.echo(msgspec.json.encode(_verdict(found, verdict)).decode())
    else:
        for line in verdict_lines(found, verdict, everything=lists):
            click.echo(line)
    if verdict.is_reproduced is False:
        sys.exit(1)


def _verdict(found: Incident, verdict: Verdict) -> dict[str, Any]:
    asked, first, unchanged = verdict.asked, verdict.first, verdict.unchanged
    return {
        "seal": found.seal,
        "recorded": asked.recorded if unchanged is None else unchanged.recorded,
        "replayed": None if unchanged is None else unchanged.replayed,
        "is_reproduced": verdict.is_reproduced,
        "with_changes": None if verdict.changed is None else verdict.changed.replayed,
        "first": None if first is None else now_then(found, first),
        "differences": len(asked.differences),
        "not_judged": len(asked.known.lost),
        "counts": verdict.counts,
        "notes": [*verdict.notes, *asked.faults],
    }


def _span(text: str) -> int:
    match = _SPAN.fullmatch(text.strip())
    span = 0 if match is None else round(float(match.group(1)) * _UNITS[match.group(2)])
    if match is None or not span:
        raise IncidentError(f"--last {text!r} is no span; write 90s, 10m, 2h or 1d")
    return span
