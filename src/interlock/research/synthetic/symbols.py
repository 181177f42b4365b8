"""The symbols of the synthetic market: their instruments and the figures they are calibrated to."""

from __future__ import annotations

from dataclasses import dataclass

from interlock.model.instrument import FixedTick, Instrument, InstrumentKind, MarginTier
from interlock.model.units import MONEY_SCALE, NANOSECONDS

VENUE = "SYNTHETIC"
FUNDING_INTERVAL_NS = 8 * 3_600 * NANOSECONDS

HALF_LIVES_MINUTES = (3.0, 60.0, 2_160.0)


class SyntheticError(ValueError):
    """A request that the synthetic market cannot serve."""


@dataclass(frozen=True, kw_only=True)
class Book:
    """Microstructure: rates per second, quantities in base units, jumps by the minute's volatility.

    ``order_median`` and ``order_spread`` are the median and the log standard deviation of a taker
    order; ``level_median`` is the median of a level behind the best, which is thin.
    """

    taker_rate: float
    quote_rate: float
    move_rate: float
    best_median: float
    level_median: float
    order_median: float
    order_spread: float


@dataclass(frozen=True, kw_only=True)
class Symbol:
    """One synthetic symbol.

    ``sd_bp`` is the standard deviation of a 1-minute log return without crashes, in basis points;
    ``variances`` are those of the three log-volatility factors; ``crash_beta`` multiplies the log
    fall of a market crash; ``volume`` is the median base volume of a minute; ``path_of`` names the
    symbol whose price this one follows at a basis.
    """

    instrument: Instrument
    price: float
    sd_bp: float
    variances: tuple[float, float, float]
    crash_beta: float
    volume: float
    volume_noise: float
    range_scale: float
    book: Book
    path_of: str = ""

    @property
    def name(self) -> str:
        """The id without the venue."""
        return self.instrument.id.rpartition(".")[0]


def _perpetual(base: str, price_exponent: int, quantity_exponent: int, rate: int) -> Instrument:
    steps = (50_000, 600_000, 3_000_000, 12_000_000, 0)
    rates = (rate, rate + 1_000, rate + 2_500, rate + 6_000, rate + 16_000)
    tiers, amount, floor = [], 0, 0
    for index, (cap, current) in enumerate(zip(steps, rates, strict=True)):
        if index:
            # The amount keeps maintenance margin continuous where one tier ends.
            amount += floor * MONEY_SCALE * (current - rates[index - 1]) // 10**6
        tiers.append(MarginTier(cap * MONEY_SCALE, current, amount))
        floor = cap
    return Instrument(
        id=f"{base}USDT-PERP.{VENUE}",
        kind=InstrumentKind.PERPETUAL,
        base=base,
        quote="USDT",
        price_exponent=price_exponent,
        quantity_exponent=quantity_exponent,
        price_rule=FixedTick(1),
        lot=1,
        min_quantity=1,
        min_notional=5 * MONEY_SCALE,
        maker_rate=200,
        taker_rate=500,
        margin_tiers=tuple(tiers),
        leverage_max=50,
        allow_short=True,
        funding_interval_ns=FUNDING_INTERVAL_NS,
        synthetic=True,
    )


def _spot(base: str, price_exponent: int, quantity_exponent: int) -> Instrument:
    return Instrument(
        id=f"{base}USDT.{VENUE}",
        kind=InstrumentKind.SPOT,
        base=base,
        quote="USDT",
        price_exponent=price_exponent,
        quantity_exponent=quantity_exponent,
        price_rule=FixedTick(1),
        lot=1,
        min_quantity=1,
        min_notional=5 * MONEY_SCALE,
        maker_rate=1_000,
        taker_rate=1_000,
        synthetic=True,
    )


_BTC_BOOK = Book(
    taker_rate=15.7,
    quote_rate=192.0,
    move_rate=5.9,
    best_median=3.0,
    level_median=0.07,
    order_median=0.03,
    order_spread=2.4,
)
_ETH_BOOK = Book(
    taker_rate=10.2,
    quote_rate=157.0,
    move_rate=6.9,
    best_median=16.0,
    level_median=1.1,
    order_median=0.21,
    order_spread=2.25,
)
_SOL_BOOK = Book(
    taker_rate=7.0,
    quote_rate=90.0,
    move_rate=1.6,
    best_median=600.0,
    level_median=80.0,
    order_median=3.0,
    order_spread=2.2,
)
_BTC_SPOT_BOOK = Book(
    taker_rate=11.0,
    quote_rate=113.0,
    move_rate=10.2,
    best_median=2.0,
    level_median=0.01,
    order_median=0.003,
    order_spread=2.6,
)

_ALL = (
    Symbol(
        instrument=_perpetual("BTC", 1, 3, 4_000),
        price=60_000.0,
        sd_bp=5.13,
        variances=(0.084, 0.091, 0.081),
        crash_beta=1.0,
        volume=74.0,
        volume_noise=0.75,
        range_scale=0.80,
        book=_BTC_BOOK,
    ),
    Symbol(
        instrument=_perpetual("ETH", 2, 3, 5_000),
        price=2_600.0,
        sd_bp=10.49,
        variances=(0.135, 0.062, 0.105),
        crash_beta=1.5,
        volume=2_900.0,
        volume_noise=0.68,
        range_scale=0.93,
        book=_ETH_BOOK,
    ),
    Symbol(
        instrument=_perpetual("SOL", 2, 2, 10_000),
        price=150.0,
        sd_bp=10.51,
        variances=(0.084, 0.075, 0.090),
        crash_beta=1.9,
        volume=10_900.0,
        volume_noise=0.65,
        range_scale=0.90,
        book=_SOL_BOOK,
    ),
    Symbol(
        instrument=_spot("BTC", 2, 5),
        price=60_000.0,
        sd_bp=5.13,
        variances=(0.084, 0.091, 0.081),
        crash_beta=1.0,
        volume=12.0,
        volume_noise=0.75,
        range_scale=0.80,
        book=_BTC_SPOT_BOOK,
        path_of="BTCUSDT-PERP",
    ),
)

SYMBOLS: dict[str, Symbol] = {item.name: item for item in _ALL}


def symbol(name: str) -> Symbol:
    """The symbol of a name such as BTCUSDT-PERP or BTCUSDT-PERP.SYNTHETIC; refuses others."""
    found = SYMBOLS.get(name.removesuffix(f".{VENUE}"))
    if found is None:
        raise SyntheticError(
            f"{name!r} is not a synthetic symbol; choose one of: {', '.join(sorted(SYMBOLS))}"
        )
    return found


def instrument(name: str) -> Instrument:
    """The instrument of a synthetic symbol, marked synthetic."""
    return symbol(name).instrument
