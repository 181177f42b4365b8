"""Recorded data as the market of the local exchange: which instruments it lists, who trades them.

Data of other venues and of spot markets are listed as a perpetual of the protocol that replays
them: prices, ticks and lots are those of the record, margin and fees those of the protocol.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from interlock.model.instrument import Instrument, InstrumentKind
from interlock.model.units import MONEY_SCALE
from interlock.sim.venue.replay import Replay, rows_of
from interlock.strategy.columns import BarColumns, Dataset, QuoteColumns, TradeColumns
from interlock.venue.listings import FUNDING_INTERVALS, LARGE_TIERS, Listing

_LEVERAGE = 50
_LEAST_NOTIONAL = 5 * MONEY_SCALE


class RecordedError(ValueError):
    """Data that cannot be the market of a protocol; names the reason and the remedy."""


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """The record of one instrument."""

    listing: Listing
    quotes: QuoteColumns | None = None
    trades: TradeColumns | None = None
    bars: BarColumns | None = None

    @property
    def first_ts(self) -> int:
        """When it begins, ns."""
        return min(int(part.ts[0]) for part in self._parts())

    @property
    def last_ts(self) -> int:
        """When its last row begins, ns."""
        return max(int(part.ts[-1]) for part in self._parts())

    def flow(self, shift_ns: int) -> Replay:
        """The record as it happened, so much later."""
        rows = rows_of(quotes=self.quotes, trades=self.trades, bars=self.bars)
        return Replay(rows, shift_ns=shift_ns)

    def _parts(self) -> list[QuoteColumns | TradeColumns | BarColumns]:
        return [part for part in (self.quotes, self.trades, self.bars) if part is not None]


def read_recorded(dataset: Dataset, protocol: str) -> tuple[Recorded, ...]:
    """Every instrument of a dataset that has bars, quotes or trades; raises RecordedError."""
    found: dict[str, dict[str, QuoteColumns | TradeColumns | BarColumns]] = {}
    for kind, columns in (
        ("quotes", dataset.quotes),
        ("trades", dataset.trades),
        ("bars", sorted(dataset.bars, key=lambda part: -part.step_ns)),
    ):
        # Of several bar steps the finest is used: it comes last.
        for part in columns:
            if len(part):
                found.setdefault(part.instrument.id, {})[kind] = part
    if not found:
        raise RecordedError(
            f"{dataset.name} has no bars, quotes or trades; a market is replayed from one of them"
        )
    recorded = [_recorded(parts, protocol) for parts in found.values()]
    names = [item.listing.instrument.id for item in recorded]
    double = next((name for name in names if names.count(name) > 1), "")
    if double:
        raise RecordedError(
            f"{dataset.name} has several records that would be listed as {double}; choose one"
        )
    return tuple(recorded)


def shift_of(recorded: Sequence[Recorded], start: int) -> int:
    """How much later the records happen so that the first of them begins at ``start``."""
    return start - min(item.first_ts for item in recorded)


def _recorded(
    parts: dict[str, QuoteColumns | TradeColumns | BarColumns], protocol: str
) -> Recorded:
    first = next(iter(parts.values()))
    listing = Listing(_relisted(first.instrument, protocol), _first_price(first))
    return Recorded(listing=listing, **parts)  # type: ignore[arg-type]


def _first_price(part: QuoteColumns | TradeColumns | BarColumns) -> int:
    match part:
        case BarColumns():
            return int(part.open[0])
        case TradeColumns():
            return int(part.price[0])
        case _:
            return int(part.bid[0])


def _relisted(instrument: Instrument, protocol: str) -> Instrument:
    """The instrument as the protocol would list it."""
    if protocol == "hyperliquid":
        decimals = 6 - instrument.quantity_exponent
        if instrument.price_exponent != decimals or instrument.quote != "USDC":
            raise RecordedError(
                f"{instrument.id} cannot be listed on hyperliquid, which quotes in USDC with "
                "6 price decimals less those of the size; replay it on binance"
            )
        name = f"{instrument.base}-PERP.HYPERLIQUID"
    else:
        name = f"{instrument.base}{instrument.quote}-PERP.BINANCE"
    changes: dict[str, object] = {
        "id": name,
        "kind": InstrumentKind.PERPETUAL,
        "allow_short": True,
        "calendar": "24/7",
        "min_quantity": instrument.min_quantity or instrument.lot,
        "max_quantity": instrument.max_quantity or instrument.lot * 10**7,
        "min_notional": instrument.min_notional or _LEAST_NOTIONAL,
        "funding_interval_ns": instrument.funding_interval_ns or FUNDING_INTERVALS[protocol],
    }
    if not instrument.is_margined or len(instrument.margin_tiers) < 2:
        # Clients expect a venue's table of tiers, and some stop without a second one.
        changes |= {"margin_tiers": LARGE_TIERS, "leverage_max": _LEVERAGE}
    return msgspec.structs.replace(instrument, **changes)
