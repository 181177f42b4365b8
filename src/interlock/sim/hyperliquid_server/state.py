"""What the server knows beside the core: its rules, its users' budgets, and where orders are."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from interlock.model.instrument import Instrument
from interlock.sim.hyperliquid_server.access import Access, ActionFault, Recover, Unreadable
from interlock.sim.hyperliquid_server.limits import Budget, LimitRules, Weights
from interlock.sim.matching import SelfTrade
from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.values import Order, VenueRules
from interlock.wire.hyperliquid.instruments import QUOTE, Universe
from interlock.wire.hyperliquid.text import NS_PER_MS

# How the core behaves as this venue: a wide band, the resting order yields to its own account, and
# a liquidation costs no more than the position.
HYPERLIQUID_RULES = VenueRules(
    self_trade=SelfTrade.CANCEL_RESTING,
    band_up=800_000,
    band_down=800_000,
    band_is_two_sided=True,
    market_bound=800_000,
    max_orders=1_000,
    max_conditionals=1_000,
    liquidation_fee=0,
)


# Orders whose numbers and cloids are known: of the last hours of a busy venue.
_NAMES_MAX = 500_000


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the server decides; times in ms, ``schedule_volume`` in money units."""

    limits: LimitRules = LimitRules()
    book_interval_ms: int = 500
    context_interval_ms: int = 1_000
    silence_ms: int = 60_000
    schedule_ahead_ms: int = 5_000
    schedule_per_day: int = 10
    schedule_volume: int = 0
    levels: int = 20


class ServerState:
    """The protocol's own state around a core."""

    def __init__(self, core: VenueCore, recover: Recover, options: ServerOptions) -> None:
        self.core = core
        self.options = options
        self.access = Access(recover)
        self.weights = Weights(options.limits)
        self.budgets: dict[str, Budget] = {}
        self.spot: dict[str, int] = {}
        self.builders: dict[tuple[str, str], str] = {}
        self.referrers: dict[str, str] = {}
        self.strikes: dict[str, list[int]] = {}
        self.abstractions: dict[str, str] = {}
        # Where an order number or a cloid of an account points: the newest of that name.
        self.symbols: dict[int, str] = {}
        self.cloids: dict[tuple[str, str], int] = {}
        self.group = 0
        # The hook of query lag: reads ask it whether an order is visible yet.
        self.sees: Callable[[int, str, Order], bool] = lambda ts, read, order: True
        # How far the clock that clients have to follow is ahead of the venue's time.
        self.clock_offset_ns = 0
        self.universe = Universe(())
        self.refresh()

    def refresh(self) -> None:
        """Read the instruments again, after their rules changed."""
        core = self.core
        closed = [name for name in core.symbols if core.status(name) == "delisted"]
        self.universe = Universe([core.instrument(name) for name in core.symbols], closed=closed)

    def note(self, order: Order) -> None:
        """Remember where an order is."""
        self.symbols[order.order_id] = order.symbol
        if order.client_id:
            self.cloids[order.account, order.client_id] = order.order_id
        # The core forgets old orders too; open ones are told again whenever they change.
        for names in (self.symbols, self.cloids):
            if len(names) > _NAMES_MAX:
                del names[next(iter(names))]  # type: ignore[arg-type]

    def find(self, account: str, named: int | str) -> Order | None:
        """An order by number or cloid, open or ended."""
        number = named if isinstance(named, int) else self.cloids.get((account, named.lower()), 0)
        symbol = self.symbols.get(number)
        if symbol is None:
            return None
        return self.core.order(account, symbol, order_id=number)

    def budget(self, address: str) -> Budget:
        """The requests of one user."""
        return self.budgets.setdefault(address, Budget())

    def of_coin(self, coin: object) -> Instrument:
        """The instrument of a coin that a client named."""
        if not isinstance(coin, str) or not self.universe.knows(coin):
            raise Unreadable("coin")
        return self.universe.of_coin(coin)

    def asset(self, index: int) -> Instrument:
        """The instrument of an asset number that a client named."""
        instrument = self.universe.of_index(index)
        if instrument is None:
            raise ActionFault(f"Asset {index} does not exist.")
        return instrument

    def quote(self) -> str:
        """The asset that wallets are kept in."""
        instruments = self.universe.instruments
        return instruments[0].quote if instruments else QUOTE


def now_ms(ts: int) -> int:
    """Venue time in ms."""
    return ts // NS_PER_MS
