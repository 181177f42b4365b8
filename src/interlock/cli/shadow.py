"""`interlock shadow report`: does a live run decide as its shadow does?"""

from __future__ import annotations

import math
import sys
from decimal import Decimal

import click
import msgspec

from interlock.live.shadow import (
    ALIGNMENT,
    MISALIGNED,
    ShadowReport,
    ShadowTradingConfig,
    compare,
    read_record,
)


@click.group()
def shadow() -> None:
    """Compare a live run with a run in shadow mode beside it."""


@shadow.command("report")
@click.option("--live", required=True, metavar="FOLDER|URL", help="The state of the live run.")
@click.option("--shadow", "beside", required=True, metavar="FOLDER|URL",
              help="The state of the run in shadow mode.")  # fmt: skip
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="How much two sizes may differ, as a share.",
)
@click.option(
    "--window-ms",
    type=click.IntRange(1),
    default=2_000,
    show_default=True,
    help="How far apart in time twins may be.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def report(live: str, beside: str, tolerance: float, window_ms: int, as_json: bool) -> None:
    """Pair the decisions of both and judge the alignment by its lower bound.

    Exit code 0: at least 95 % aligned, proved by the bound. 1: not proved.
    """
    config = ShadowTradingConfig(signal_tolerance_pct=Decimal(str(tolerance)), grace_ms=window_ms)
    found = compare(read_record(live), read_record(beside), config)
    if as_json:
        content = msgspec.structs.asdict(found) | {"is_aligned": found.is_aligned}
        click.echo(msgspec.json.encode(content).decode())
    else:
        for line in _lines(found):
            click.echo(line)
    if not found.is_aligned:
        sys.exit(1)


def _lines(found: ShadowReport) -> list[str]:
    lines = [
        f"Decisions            {found.decisions}",
        f"Signal alignment     {_percent(found.alignment_rate)}, at least "
        f"{_percent(found.alignment_bound)} with 95 % confidence",
        f"  aligned            {found.aligned}",
        f"  other size         {found.other_size}",
        f"  other direction    {found.other_direction}",
        f"  only live          {found.only_live}",
        f"  only shadow        {found.only_shadow}",
        f"Execution quality    {_percent(found.execution_quality)} filled "
        f"(shadow {_percent(found.shadow_execution_quality)})",
        f"Average slippage     {_number(found.avg_slippage_bps)} bps "
        f"(shadow {_number(found.shadow_slippage_bps)} bps)",
        f"Average latency      {_number(found.avg_latency_ms)} ms from decision to answer",
        f"Between twins        {_number(found.time_difference_ms)} ms, "
        f"{_number(found.price_difference_bps)} bps",
    ]
    if found.is_aligned:
        return [*lines, "Aligned: the bound is at least 95 %."]
    if math.isnan(found.alignment_rate):
        return [*lines, "Nothing to compare: no decision in the time for which both speak."]
    if found.alignment_rate >= ALIGNMENT:
        return [*lines, "Too few decisions to prove 95 %; let both run on."]
    return [*lines, MISALIGNED]


def _percent(share: float) -> str:
    return "unknown" if math.isnan(share) else f"{share:.2%}"


def _number(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.2f}"
