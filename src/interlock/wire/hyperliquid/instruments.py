"""The perpetuals of Hyperliquid as instruments, and the places of all in its lists.

An asset is named by its index in the list of perpetuals, a market by its coin. Prices have at most
five significant figures and 6 - szDecimals decimals; an integer is always allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from interlock.model.instrument import (
    Instrument,
    InstrumentError,
    InstrumentKind,
    MarginTier,
    SignificantFigures,
)
from interlock.model.units import MONEY_SCALE, RATE_SCALE
from interlock.wire.hyperliquid.text import WireFault, decode, nearest_units_of, units_of

VENUE = "HYPERLIQUID"
QUOTE = "USDC"
PRICE_DECIMALS = 6
FIGURES = 5
MIN_NOTIONAL = 10 * MONEY_SCALE
FUNDING_INTERVAL_NS = 3_600 * 10**9
# The lowest tier of the fee schedule, 1e-6.
MAKER_RATE = 150
TAKER_RATE = 450
_RATE_DIGITS = len(str(RATE_SCALE)) - 1


class _Asset(msgspec.Struct, rename="camel"):
    name: str
    sz_decimals: int
    max_leverage: int = 1
    only_isolated: bool = False
    is_delisted: bool = False
    margin_table_id: int = 0


class _Tier(msgspec.Struct, rename="camel"):
    lower_bound: str
    max_leverage: int


class _Table(msgspec.Struct, rename="camel"):
    margin_tiers: list[_Tier]


class _Meta(msgspec.Struct, rename="camel"):
    universe: list[_Asset]
    margin_tables: list[tuple[int, _Table]] = []


class _Fees(msgspec.Struct, rename="camel"):
    user_cross_rate: str
    user_add_rate: str


class Universe:
    """Instruments by id, by coin and by index, in the order of the venue's list."""

    def __init__(self, instruments: Iterable[Instrument], *, closed: Iterable[str] = ()) -> None:
        self.instruments: tuple[Instrument, ...] = tuple(instruments)
        self.closed = frozenset(closed)
        self._by_coin = {item.base: item for item in self.instruments}
        self._by_id = {item.id: item for item in self.instruments}
        self._index = {item.id: index for index, item in enumerate(self.instruments)}

    def of_coin(self, coin: str) -> Instrument:
        """The instrument that trades this coin."""
        found = self._by_coin.get(coin)
        if found is None:
            raise WireFault(f"coin {coin!r} is not in the list of perpetuals; load it again")
        return found

    def knows(self, coin: str) -> bool:
        """Whether the coin is in the list of perpetuals."""
        return coin in self._by_coin

    def of_id(self, instrument: str) -> Instrument:
        """The instrument of this id."""
        found = self._by_id.get(instrument)
        if found is None:
            raise WireFault(f"{instrument} is not traded here; load the instruments again")
        return found

    def of_index(self, index: int) -> Instrument | None:
        """The instrument at this place of the list."""
        return self.instruments[index] if 0 <= index < len(self.instruments) else None

    def index(self, instrument: str) -> int:
        """The place of an instrument in the list: its asset number."""
        found = self._index.get(instrument)
        if found is None:
            raise WireFault(f"{instrument} is not traded here; load the instruments again")
        return found


def read_universe(body: bytes, *, venue: str = VENUE) -> Universe:
    """The answer to ``meta``, or the first half of ``metaAndAssetCtxs``."""
    meta: _Meta
    if body.lstrip()[:1] == b"[":
        meta = decode(body, tuple[_Meta, list[msgspec.Raw]])[0]
    else:
        meta = decode(body, _Meta)
    tables = dict(meta.margin_tables)
    try:
        instruments = [_instrument(asset, tables, venue) for asset in meta.universe]
    except InstrumentError as error:
        raise WireFault(str(error)) from None
    closed = [
        item.id for item, asset in zip(instruments, meta.universe, strict=True) if asset.is_delisted
    ]
    return Universe(instruments, closed=closed)


def with_fees(universe: Universe, body: bytes) -> Universe:
    """The same instruments at the rates of the answer to ``userFees``."""
    fees: _Fees = decode(body, _Fees)
    taker = nearest_units_of(fees.user_cross_rate, _RATE_DIGITS)
    maker = nearest_units_of(fees.user_add_rate, _RATE_DIGITS)
    priced = [
        msgspec.structs.replace(item, maker_rate=maker, taker_rate=taker)
        for item in universe.instruments
    ]
    return Universe(priced, closed=universe.closed)


def size_decimals(instrument: Instrument) -> int:
    """Decimals of an order's size: those that the lot leaves."""
    decimals, lot = instrument.quantity_exponent, instrument.lot
    while decimals and lot % 10 == 0:
        decimals, lot = decimals - 1, lot // 10
    return decimals


def asset_row(instrument: Instrument, *, is_closed: bool = False) -> dict[str, object]:
    """One entry of the list of perpetuals."""
    row: dict[str, object] = {
        "szDecimals": size_decimals(instrument),
        "name": instrument.base,
        "maxLeverage": instrument.leverage_max,
        "marginTableId": instrument.leverage_max,
    }
    if is_closed:
        row["isDelisted"] = True
    return row


def _instrument(asset: _Asset, tables: dict[int, _Table], venue: str) -> Instrument:
    decimals = PRICE_DECIMALS - asset.sz_decimals
    if not 0 <= asset.sz_decimals <= PRICE_DECIMALS or asset.max_leverage < 1:
        raise WireFault(
            f"{asset.name}: szDecimals {asset.sz_decimals} must lie between 0 and "
            f"{PRICE_DECIMALS}, maxLeverage {asset.max_leverage} be at least 1"
        )
    table = tables.get(asset.margin_table_id)
    tiers = table.margin_tiers if table else [_Tier("0", asset.max_leverage)]
    return Instrument(
        id=f"{asset.name}-PERP.{venue}",
        kind=InstrumentKind.PERPETUAL,
        base=asset.name,
        quote=QUOTE,
        price_exponent=decimals,
        quantity_exponent=asset.sz_decimals,
        price_rule=SignificantFigures(FIGURES, decimals),
        lot=1,
        min_quantity=1,
        min_notional=MIN_NOTIONAL,
        maker_rate=MAKER_RATE,
        taker_rate=TAKER_RATE,
        margin_tiers=_tiers(tiers),
        leverage_max=asset.max_leverage,
        allow_short=True,
        funding_interval_ns=FUNDING_INTERVAL_NS,
    )


def _tiers(tiers: Sequence[_Tier]) -> tuple[MarginTier, ...]:
    """Half the initial margin at full leverage, continuous where one tier meets the next."""
    bounds = [units_of(tier.lower_bound, 8) for tier in tiers]
    if not tiers or bounds != sorted(bounds) or any(tier.max_leverage < 1 for tier in tiers):
        raise WireFault("a margin table needs ascending tiers with a leverage of at least 1")
    built: list[MarginTier] = []
    amount = rate_before = 0
    for place, tier in enumerate(tiers):
        rate = RATE_SCALE // (2 * tier.max_leverage)
        amount += bounds[place] * (rate - rate_before) // RATE_SCALE if place else 0
        most = bounds[place + 1] if place + 1 < len(tiers) else 0
        built.append(MarginTier(most, rate, amount))
        rate_before = rate
    return tuple(built)
