"""Round trips: from flat to flat, with the profit after fees; the open one is marked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from interlock.kernel.positions import Position
from interlock.model.instrument import Instrument
from interlock.model.units import MONEY_SCALE
from interlock.sim.record import FillRow

SCHEMA = {
    "instrument": pl.String,
    "strategy": pl.String,
    "side": pl.Int64,
    "opened_ts": pl.Int64,
    "closed_ts": pl.Int64,
    "quantity": pl.Float64,
    "entry_price": pl.Float64,
    "exit_price": pl.Float64,
    "pnl": pl.Float64,
    "fees": pl.Float64,
    "bars_held_ns": pl.Int64,
    "is_open": pl.Boolean,
}


@dataclass
class _Trip:
    opened: int
    side: int
    entered: int = 0
    entry_value: int = 0
    left: int = 0
    exit_value: int = 0
    realized: int = 0
    fees: int = 0


class _Tracker:
    """Follows one strategy's position in one instrument."""

    def __init__(self, instrument: Instrument, strategy: str) -> None:
        self.instrument = instrument
        self.strategy = strategy
        self.position = Position(instrument)
        self.trip: _Trip | None = None
        self.rows: list[tuple[object, ...]] = []

    def fill(self, row: FillRow) -> None:
        held = self.position.quantity
        signed = row.side * row.quantity
        closing = min(abs(held), row.quantity) if held * row.side < 0 else 0
        opening = row.quantity - closing
        money_fee = row.fee if row.fee_asset == self.instrument.quote else 0
        closing_fee = money_fee * closing // row.quantity
        realized = self.position.fill(signed, row.price)
        if row.fee_asset == self.instrument.base:
            self.position.take_fee_in_base(row.fee)
        if closing and self.trip is not None:
            trip = self.trip
            trip.left += closing
            trip.exit_value += closing * row.price
            trip.realized += realized
            trip.fees += closing_fee
            if trip.left >= trip.entered or (self.position.quantity * trip.side) <= 0:
                self._end(trip, row.ts, is_open=False)
                self.trip = None
        if opening:
            if self.trip is None:
                self.trip = _Trip(row.ts, row.side)
            self.trip.entered += opening
            self.trip.entry_value += opening * row.price
            self.trip.fees += money_fee - closing_fee

    def finish(self, ts: int, mark: int) -> None:
        """Mark what is still open at the last price."""
        trip = self.trip
        if trip is None or not self.position.quantity:
            return
        rest = abs(self.position.quantity)
        trip.realized += self.position.unrealized(mark)
        trip.left += rest
        trip.exit_value += rest * mark
        self._end(trip, ts, is_open=True)

    def _end(self, trip: _Trip, ts: int, *, is_open: bool) -> None:
        instrument = self.instrument
        scale = 10.0**instrument.price_exponent
        self.rows.append(
            (
                instrument.id,
                self.strategy,
                trip.side,
                trip.opened,
                ts,
                trip.entered / 10**instrument.quantity_exponent,
                trip.entry_value / trip.entered / scale if trip.entered else 0.0,
                trip.exit_value / trip.left / scale if trip.left else 0.0,
                (trip.realized - trip.fees) / MONEY_SCALE,
                trip.fees / MONEY_SCALE,
                ts - trip.opened,
                is_open,
            )
        )


def round_trips(
    fills: Iterable[FillRow],
    instruments: Mapping[str, Instrument],
    *,
    marks: Mapping[str, int],
    end: int,
) -> pl.DataFrame:
    """One row per round trip, in the order they ended; open ones last, marked at ``marks``."""
    trackers: dict[tuple[str, str], _Tracker] = {}
    for row in fills:
        key = (row.instrument, row.strategy)
        tracker = trackers.get(key)
        if tracker is None:
            tracker = trackers[key] = _Tracker(instruments[row.instrument], row.strategy)
        tracker.fill(row)
    for (name, _), tracker in trackers.items():
        tracker.finish(end, marks.get(name, 0))
    rows = [row for tracker in trackers.values() for row in tracker.rows]
    rows.sort(key=lambda row: (row[-1], row[4]))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")
