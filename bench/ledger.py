"""The ledger beside its floors: a commit against a bare fsync, and starting from 1,000,000 rows.

    .venv/bin/python -m bench.ledger
    .venv/bin/python -m bench.ledger --url postgresql://USER@HOST/EMPTY_DATABASE

Every commit stands between two bare writes with fsync of 4 KB on the same disk, so that a busy
machine slows both.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from interlock.adapters.storage import FolderSnapshots, SqlLedger, open_ledger, rebuild, verify
from interlock.model import rows
from interlock.model.instrument import FixedTick, Instrument, InstrumentKind
from interlock.model.order import Change, OrderSpec, OrderStatus, OrderType
from interlock.model.venue import VenueFill

_BTC = "BTCUSDT-PERP.BINANCE"
_SECOND = 1_000_000_000
_NOON = 1_705_320_000 * _SECOND
_PAGE = bytes(4096)


def order_rows(number: int) -> list[rows.AnyRow]:
    """The life of one order in five rows."""
    ts, name = _NOON + number * _SECOND // 10, f"IL1-{number:012d}"
    spec = OrderSpec(_BTC, 1, 5, OrderType.LIMIT, 4_200_000 + number % 1_000)
    intent = rows.IntentRow(
        ts_event=ts, client_order_id=name, account="main", strategy="trend", spec=spec, epoch=1,
        request_id=number, payload_hash=bytes(32), ts_deadline=ts + _SECOND, config_version="v1",
    )  # fmt: skip
    moves = (
        (Change.SUBMIT, OrderStatus.INITIALIZED, OrderStatus.SUBMITTED),
        (Change.ACCEPT, OrderStatus.SUBMITTED, OrderStatus.ACCEPTED),
        (Change.FILL_ALL, OrderStatus.ACCEPTED, OrderStatus.FILLED),
    )
    submitted, accepted, done = (
        rows.TransitionRow(
            ts_event=ts, client_order_id=name, change=change, before=before, after=after,
            quantity=5, filled=5 if after is OrderStatus.FILLED else 0, price=spec.price,
            venue_order_id=str(number), evidence="stream",
        )
        for change, before, after in moves
    )  # fmt: skip
    fill = VenueFill(
        instrument=_BTC, trade_id=number, client_order_id=name, venue_order_id=str(number), side=1,
        price=spec.price, quantity=5, fee=8_400_000, fee_asset="USDT", is_maker=True, ts_venue=ts,
    )  # fmt: skip
    filled = rows.FillRow(
        ts_event=ts, fill=fill, client_order_id=name, strategy="trend", account="main",
        position_after=5 * number,
    )  # fmt: skip
    return [intent, submitted, accepted, filled, done]


def instrument_row() -> rows.InstrumentRow:
    """The rules of the one instrument."""
    instrument = Instrument(
        id=_BTC, kind=InstrumentKind.PERPETUAL, base="BTC", quote="USDT", price_exponent=2,
        quantity_exponent=3, price_rule=FixedTick(10), lot=1, allow_short=True,
    )  # fmt: skip
    return rows.InstrumentRow(ts_event=_NOON, instrument=instrument)


def timed(work: Callable[[], object]) -> int:
    """Nanoseconds of one call."""
    start = time.perf_counter_ns()
    work()
    return time.perf_counter_ns() - start


def at(values: Sequence[int], share: float) -> float:
    """The value below which this share lies, in microseconds."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] / 1_000


def commits(where: str, folder: Path, count: int) -> None:
    """Commits of an intent and its transition, each after a bare fsync."""
    floor, appended, committed = [], [], []
    descriptor = os.open(folder / "floor", os.O_WRONLY | os.O_CREAT)
    with open_ledger(where) as ledger:
        ledger.append([instrument_row()])
        ledger.commit()
        for number in range(count):

            def bare(offset: int = number * 4096) -> None:
                os.pwrite(descriptor, _PAGE, offset)
                os.fsync(descriptor)

            batch = order_rows(number)[:2]
            floor.append(timed(bare))
            appended.append(timed(lambda rows=batch: ledger.append(rows)))  # type: ignore[misc]
            committed.append(timed(ledger.commit))
            if number % 100 == 99:
                ledger.tidy()
    os.close(descriptor)
    print(f"{count} commits of 2 rows, microseconds  p50      p99    p99.9")
    for name, values in (("fsync", floor), ("append", appended), ("commit", committed)):
        print(f"  {name:<32}" + "".join(f"{at(values, s):9.0f}" for s in (0.5, 0.99, 0.999)))
    for share in (0.5, 0.99):
        ratio = at(committed, share) / at(floor, share)
        over = at(committed, share) - at(floor, share)
        print(f"  commit / fsync at {share:.0%}: {ratio:.2f} ({over:+.0f} us)")


def fill_up(ledger: SqlLedger, count: int) -> None:
    """Rows in commits of 5,000."""
    while ledger.last() < count:
        first = ledger.last() // 5
        for number in range(first, first + 1_000):
            ledger.append(order_rows(number))
        ledger.commit()


def recovery(where: str, folder: Path, count: int) -> None:
    """Open a ledger of ``count`` rows from a snapshot near its end, and read all of it."""
    with open_ledger(where) as ledger:
        took = timed(lambda: fill_up(ledger, count))
        behind = ledger.last() - 5_000
        FolderSnapshots(folder / "states", anchor=ledger.digest_at).save(behind, bytes(2_000_000))
    print(f"{count} rows written in {took / _SECOND:.1f} s")

    def start() -> None:
        with open_ledger(where) as ledger:
            found = FolderSnapshots(folder / "states", anchor=ledger.digest_at).latest()
            assert found is not None
            assert sum(1 for _ in ledger.read(after=found[0])) == 5_000

    print(f"  open + snapshot + 5,000 rows after it: {timed(start) / _SECOND:.2f} s (limit 3 s)")
    with open_ledger(where) as ledger:
        for name, work in (
            ("read and decode every row", lambda: sum(1 for _ in ledger.read())),
            ("verify in full", lambda: verify(ledger.database)),
            ("rebuild the projections", lambda: rebuild(ledger.database)),
        ):
            print(f"  {name:<39}{timed(work) / _SECOND:.2f} s")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="an empty PostgreSQL database instead of SQLite")
    parser.add_argument("--commits", type=int, default=5_000)
    parser.add_argument("--rows", type=int, default=1_000_000, help="0 leaves recovery out")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="interlock-bench-", dir="/var/tmp"))
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {options.url or 'SQLite'}")
    try:
        commits(options.url or str(folder / "commits.db"), folder, options.commits)
        if options.rows and not options.url:
            recovery(str(folder / "rows.db"), folder, options.rows)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
