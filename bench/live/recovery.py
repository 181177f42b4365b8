"""How long the start path takes on a long ledger: `python -m bench.live.recovery --rows 1000000`.

The ledger is made of lives of orders, written as the engine writes them; the venue is a fake one
that connects at once, so that what is measured is ours: opening, checking, reading, folding.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from bench.ledger import instrument_row, order_rows
from interlock.adapters.storage import FolderSnapshots, open_ledger
from interlock.adapters.system import SystemClock
from interlock.live.start import Entry, Plan, Started, start
from interlock.model.instrument import Instrument
from interlock.model.rows import AnyRow, EventRow, FillRow
from interlock.model.venue import Request
from interlock.runtime.ids import OrderId, strategy_number
from interlock.strategy.api import Strategy

BATCH = 5_000
PER_ORDER = 5
SNAPSHOT_AGE_ROWS = 3_000


class Quiet:
    """A venue that lists one instrument and answers nothing."""

    name = "quiet"

    def instruments(self) -> Iterable[Instrument]:
        """What the ledger was written about."""
        return [instrument_row().instrument]

    async def connect(self, heard: Callable[[Any], None]) -> None:
        """At once."""

    def request(self, request: Request) -> None:
        """Into the void."""

    async def close(self) -> None:
        """Nothing is open."""


def recent(number: int, ts: int) -> list[AnyRow]:
    """The rows of one order as if it had been ours, at a time."""
    name = OrderId("il", 1, strategy_number("trend"), number).text
    found: list[AnyRow] = []
    for row in order_rows(number):
        changes: dict[str, Any] = {"ts_event": ts}
        if isinstance(row, FillRow):
            changes["fill"] = msgspec.structs.replace(row.fill, ts_venue=ts, client_order_id=name)
        found.append(msgspec.structs.replace(row, client_order_id=name, **changes))
    return found


def fill(folder: Path, count: int, days: float) -> None:
    """Write a ledger of so many rows over so many days up to now."""
    with open_ledger(folder / "ledger.sqlite") as ledger:
        ledger.append([instrument_row()])
        number, orders = 0, count // PER_ORDER
        now, apart = time.time_ns(), int(days * 86_400e9) // orders
        while ledger.last() < count:
            batch: list[AnyRow] = []
            for _ in range(BATCH // PER_ORDER):
                number += 1
                batch += recent(number, now - (orders - number) * apart)
            ledger.append(batch[: max(1, count - ledger.last())])
            ledger.commit()


async def timed(folder: Path) -> tuple[float, Started]:
    """Seconds of the real start path; the engine is left at once."""
    entries = [Entry("trend", Strategy, 100_000 * 10**8)]
    plan = Plan(folder=folder, entries=entries, currency="USDT")
    began = time.perf_counter()
    started = await start(plan, Quiet(), SystemClock(), told=lambda fact: None)
    took = time.perf_counter() - began
    running = asyncio.create_task(started.driver.run())
    started.driver.abandon()
    await running
    return took, started


def more(folder: Path, count: int) -> None:
    """Rows after the snapshot, as a minute of trading leaves them."""
    with open_ledger(folder / "ledger.sqlite") as ledger:
        ts = time.time_ns()
        ledger.append([EventRow(ts_event=ts, name="NOTE", subject=str(n)) for n in range(count)])
        ledger.commit()


async def main(rows: int, days: float, at: str | None) -> dict[str, Any]:
    """Without a snapshot, then from one with some rows after it."""
    folder = Path(tempfile.mkdtemp(dir=at))
    try:
        fill(folder, rows, days)
        without, first = await timed(folder)
        more(folder, SNAPSHOT_AGE_ROWS)
        found = [await timed(folder) for _ in range(3)]
        kept = FolderSnapshots(folder / "snapshots").latest()
        return {
            "rows": rows,
            "days": days,
            "seconds_without_snapshot": round(without, 2),
            "rows_read_without": first.recovered.rows,
            "seconds_from_snapshot": [round(took, 3) for took, _ in found],
            "used_snapshot": [started.used_snapshot for _, started in found],
            "rows_read_from_snapshot": [started.recovered.rows for _, started in found],
            "snapshot_mb": round(len(kept[1]) / 1e6, 1) if kept else 0,
            "ledger_mb": round((folder / "ledger.sqlite").stat().st_size / 1e6, 1),
        }
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--days", type=float, default=30.0, help="over which they were written")
    parser.add_argument("--folder", default=None)
    chosen = parser.parse_args()
    print(json.dumps(asyncio.run(main(chosen.rows, chosen.days, chosen.folder)), indent=1))
