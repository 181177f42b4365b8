"""The venue of the world: the exchange core behind its real protocol, without sockets.

It is the simulator's truth. Everything that happens to the account here is told to ``observers``
before it becomes bytes for anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from interlock.model.instrument import FixedTick, Instrument, InstrumentKind, MarginTier
from interlock.sim.binance_server import views
from interlock.sim.binance_server.server import BinanceServer
from interlock.sim.binance_server.state import ServerOptions
from interlock.sim.venue import crowd
from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.values import Event, Order, VenueRules
from interlock.world.chance import Chance
from interlock.world.market import Walk

ACCOUNT = "desk"
KEY, SECRET = "world-key", "world-secret"
CURRENCY = "USDT"
MONEY = 10**8
CASH = 1_000_000 * MONEY
# Between two marks: a multiple of the three seconds of their stream.
MARKS_NS = 12_000_000_000
# The lots that a taker takes at a time, and how often one comes until what stands before an order
# of ours is gone.
_PART, _SWEEPS = 10, 60


def perpetual(symbol: str, price_exponent: int, tick: int, lot: int) -> Instrument:
    """A perpetual of the world, with quantities of three decimals."""
    return Instrument(
        id=f"{symbol}{CURRENCY}-PERP.BINANCE",
        kind=InstrumentKind.PERPETUAL,
        base=symbol,
        quote=CURRENCY,
        price_exponent=price_exponent,
        quantity_exponent=3,
        price_rule=FixedTick(tick),
        lot=lot,
        min_quantity=lot,
        max_quantity=10_000 * lot,
        min_notional=5 * MONEY,
        maker_rate=200,
        taker_rate=500,
        margin_tiers=(MarginTier(0, 5_000, 0),),
        leverage_max=50,
        allow_short=True,
        funding_interval_ns=8 * 3_600 * 10**9,
    )


# What may trade in the world, with a first price in price units.
LISTED: tuple[tuple[Instrument, int], ...] = (
    (perpetual("BTC", 1, 1, 1), 300_000),
    (perpetual("ETH", 2, 1, 10), 200_000),
)


class Exchange:
    """One venue with one account of ours. ``ts`` of every call is the world's time."""

    def __init__(self, seed: int, instruments: Sequence[tuple[Instrument, int]], ts: int) -> None:
        self.instruments = tuple(item for item, _ in instruments)
        rules = VenueRules(mark_interval_ns=MARKS_NS, history=1_000_000)
        self.core = VenueCore(self.instruments, options=rules, seed=seed)
        self.server = BinanceServer(self.core, ServerOptions(seed=seed))
        self.server.add_key(KEY, SECRET, ACCOUNT)
        self.core.add_account(ACCOUNT, {CURRENCY: CASH})
        self.observers: list[Callable[[Event], None]] = self.server.observers
        self.transfers = 0
        self.lag_ns = 0
        # Orders that the query of one order does not know, by client id, and until when.
        self.hidden: dict[str, int] = {}
        self.server.state.sees = self._sees
        for instrument, price in instruments:
            lot = instrument.lot
            walk = Walk(Chance(seed, f"walk {instrument.id}"), price, tick=1, size=80 * lot)
            self.core.add_flow(instrument.id, walk, ts=ts)

    def _sees(self, ts: int, read: str, order: Order) -> bool:
        """A query that lags does not see what is younger than its lag."""
        if read == "order" and ts < self.hidden.get(order.client_id, 0):
            return False
        return not self.lag_ns or order.ts_created <= ts - self.lag_ns

    def is_resting(self, name: str) -> bool:
        """Whether an order of ours rests in a book, by its client id."""
        return any(o.client_id == name and o.price for o in self._plain())

    def fill_before(self, ts: int, name: str) -> str:
        """Trade a part of an order that rests; what was filled before, empty for no trade."""
        order = next(order for order in self._plain() if order.client_id == name)
        market, before = self.core.state.markets[order.symbol], order.filled
        part = _PART * market.instrument.lot
        for _ in range(_SWEEPS):
            if order.left <= part or order.filled > before:
                break
            crowd.take(self.core.state, market, -order.side, price=order.price, quantity=part)
        self.server.advance(ts)
        return views.fixed(before, market.instrument.quantity_exponent) * (order.filled > before)

    def _plain(self) -> list[Order]:
        return list(self.core.state.owner(ACCOUNT).orders.open.values())

    # What the truth is.
    def position(self, symbol: str) -> int:
        """Signed quantity units."""
        return self.core.state.owner(ACCOUNT).held(symbol, "both")

    @property
    def wallet(self) -> int:
        """Money units."""
        return self.core.state.owner(ACCOUNT).wallets[CURRENCY]

    def open_orders(self) -> list[Order]:
        """Every open order of the account, conditionals included."""
        account = self.core.state.owner(ACCOUNT)
        return [*account.orders.open.values(), *account.conditionals.open.values()]

    def conditionals(self) -> list[Order]:
        """Open conditional orders."""
        return list(self.core.state.owner(ACCOUNT).conditionals.open.values())
