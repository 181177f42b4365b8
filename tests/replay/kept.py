"""Kept runs as text: digests of journal and result, counters, costs and every fill.

``python -m tests.replay.kept [NAME ...]`` runs them and writes the files of ``golden/`` anew;
``git diff`` then shows which fills a change of the code has changed.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from interlock.model.units import MONEY_EXPONENT, format_units
from interlock.research.backtest import run
from interlock.research.result import BacktestResult
from tests.replay.markets import START
from tests.replay.scenarios import SCENARIOS, Scenario

FOLDER = Path(__file__).parent / "golden"
HEADER = ("seconds", "strategy", "order", "tag", "fill", "fee", "realized", "position")


def result(scenario: Scenario) -> BacktestResult:
    """The run of a scenario."""
    return run(scenario.strategy(), scenario.dataset(), scenario.run_options(), name="S")


def text(scenario: Scenario) -> str:
    """What is kept of a run."""
    found = result(scenario)
    lines = [f"{scenario.name}", *textwrap.wrap(scenario.explanation, 98), ""]
    lines += [f"journal  {found.journal_digest}", f"result   {found.result_digest}"]
    lines += ["counters " + _pairs(found.counters), "costs    " + _pairs(found.costs)]
    last = int(found.equity["equity_units"][-1])
    lines += [f"equity   {format_units(last, MONEY_EXPONENT)}", ""]
    return "\n".join([*lines, *_table(found)]) + "\n"


def _pairs(values: dict[str, int] | dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.8g}" for name, value in sorted(values.items()) if value)


def _table(found: BacktestResult) -> list[str]:
    rows = [HEADER]
    for row in found.fills.iter_rows(named=True):
        side = "buy" if row["side"] > 0 else "sell"
        rows.append(
            (
                format_units(row["ts"] - START, 9),
                row["strategy"],
                row["client_order_id"],
                row["tag"] or "-",
                f"{side} {row['quantity']:g} @ {row['price']:g} {row['liquidity']}",
                f"{row['fee']:.8g} {row['fee_asset']}",
                f"{row['realized']:.8g}",
                f"{row['position_after']:g}",
            )
        )
    widths = [max(len(row[k]) for row in rows) for k in range(len(HEADER))]
    return [
        " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def write(names: list[str]) -> None:
    """Run the named scenarios (all without a name) and keep their texts."""
    for name, scenario in SCENARIOS.items():
        if not names or name in names:
            (FOLDER / f"{name}.txt").write_text(text(scenario))


if __name__ == "__main__":
    write(sys.argv[1:])
