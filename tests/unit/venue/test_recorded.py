"""Recorded data as a market: what is listed, what is refused, when it happens."""

import numpy as np
import pytest

from interlock.model.instrument import FixedTick, Instrument, InstrumentKind
from interlock.strategy.columns import BarColumns, Dataset
from interlock.venue.recorded import RecordedError, read_recorded, shift_of

MINUTE = 60 * 10**9


def _bars(name: str, kind: InstrumentKind, step: int, first: int = 0) -> BarColumns:
    instrument = Instrument(
        id=name,
        kind=kind,
        base="BTC",
        quote="USDT",
        price_exponent=2,
        quantity_exponent=4,
        price_rule=FixedTick(1),
        lot=1,
    )
    ts = np.arange(3, dtype=np.int64) * step + first
    row = np.full(3, 6_000_000, dtype=np.int64)
    prices = {"open": row, "high": row, "low": row, "close": row}
    return BarColumns(instrument=instrument, step_ns=step, ts=ts, volume=row, **prices)


def _dataset(*bars: BarColumns) -> Dataset:
    return Dataset(name="record", digest="", bars=bars)


def test_spot_data_are_listed_as_a_perpetual_with_a_table_of_tiers() -> None:
    spot = _bars("BTCUSDT.KRAKEN", InstrumentKind.SPOT, MINUTE, first=7 * MINUTE)
    (found,) = read_recorded(_dataset(spot), "binance")
    listed = found.listing.instrument
    assert (listed.id, listed.is_margined) == ("BTCUSDT-PERP.BINANCE", True)
    assert (len(listed.margin_tiers) > 1, listed.funding_interval_ns > 0) == (True, True)
    assert (listed.price_exponent, found.listing.price) == (2, 6_000_000)
    assert (found.first_ts, found.last_ts) == (7 * MINUTE, 9 * MINUTE)
    assert shift_of([found], 10 * MINUTE) == 3 * MINUTE


def test_of_several_steps_the_finest_is_replayed() -> None:
    name = "BTCUSDT-PERP.BINANCE"
    many = [_bars(name, InstrumentKind.PERPETUAL, step * MINUTE) for step in (1, 60, 5)]
    (found,) = read_recorded(_dataset(*many), "binance")
    assert found.bars is not None
    assert found.bars.step_ns == MINUTE


def test_what_cannot_be_a_market_is_refused() -> None:
    spot = _bars("BTCUSDT.KRAKEN", InstrumentKind.SPOT, MINUTE)
    swap = _bars("BTCUSDT-PERP.BINANCE", InstrumentKind.PERPETUAL, MINUTE)
    with pytest.raises(RecordedError, match="has no bars, quotes or trades"):
        read_recorded(_dataset(), "binance")
    with pytest.raises(RecordedError, match="several records that would be listed as"):
        read_recorded(_dataset(spot, swap), "binance")
    with pytest.raises(RecordedError, match="replay it on binance"):
        read_recorded(_dataset(swap), "hyperliquid")
