"""The venue of the world: the exchange core behind its real protocol, without sockets.

It is the simulator's truth. Everything that happens to the account here is told to ``observers``
before it becomes bytes for anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from interlock.model.units import MONEY_SCALE
from interlock.sim.venue import crowd
from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.values import Event, Order
from interlock.world.chance import Chance
from interlock.world.lines.line import Lag, Line, Listed
from interlock.world.market import Walk

ACCOUNT = "desk"
MONEY = MONEY_SCALE
CASH = 1_000_000 * MONEY
# Between two marks: a multiple of the three seconds of their stream.
MARKS_NS = 12_000_000_000
# The clips that a taker takes at a time, and how often one comes until what stands before an order
# of ours is gone.
_PART, _SWEEPS = 10, 60


class Exchange:
    """One venue with one account of ours. ``ts`` of every call is the world's time."""

    def __init__(self, seed: int, line: Line, listed: Sequence[Listed], ts: int) -> None:
        self.line = line
        self.listed = {item.instrument.id: item for item in listed}
        self.instruments = tuple(item.instrument for item in listed)
        rules = msgspec.structs.replace(line.rules, mark_interval_ns=MARKS_NS, history=1_000_000)
        self.core = VenueCore(self.instruments, options=rules, seed=seed)
        self.transfers = 0
        self.lag_ns = 0
        # Orders that the query of one order does not know, by the core's names, and until when.
        self.hidden: dict[str, int] = {}
        self.server = line.serve(self.core, ACCOUNT, seed, self._sees)
        self.core.add_account(ACCOUNT, {line.currency: CASH})
        self.observers: list[Callable[[Event], None]] = self.server.observers
        for item in listed:
            name, clip = item.instrument.id, item.clip
            chance = Chance(seed, f"walk {name}")
            walk = Walk(chance, item.price, tick=item.step, size=80 * clip, clip=clip)
            self.core.add_flow(name, walk, ts=ts)

    def _sees(self, ts: int, read: str, order: Order) -> bool:
        """A query that lags does not see what is younger than its lag."""
        if read == "order" and ts < self.hidden.get(order.client_id, 0):
            return False
        return not self.lag_ns or order.ts_created <= ts - self.lag_ns

    def is_resting(self, name: str) -> bool:
        """Whether an order of ours rests in a book, by its client id."""
        return any(o.client_id == name and o.price for o in self._plain())

    def fill_before(self, ts: int, name: str) -> Lag | None:
        """Trade a part of an order that rests; what was filled before, None for no trade."""
        order = next(order for order in self._plain() if order.client_id == name)
        market, before = self.core.state.markets[order.symbol], order.filled
        part = _PART * self.listed[order.symbol].clip
        for _ in range(_SWEEPS):
            if order.left <= part or order.filled > before:
                break
            crowd.take(self.core.state, market, -order.side, price=order.price, quantity=part)
        self.server.advance(ts)
        return Lag(before, market.instrument) if order.filled > before else None

    def _plain(self) -> list[Order]:
        return list(self.core.state.owner(ACCOUNT).orders.open.values())

    # What the truth is.
    def position(self, symbol: str) -> int:
        """Signed quantity units."""
        return self.core.state.owner(ACCOUNT).held(symbol, "both")

    @property
    def wallet(self) -> int:
        """Money units."""
        return self.core.state.owner(ACCOUNT).wallets[self.line.currency]

    def open_orders(self) -> list[Order]:
        """Every open order of the account as observers know it, those that wait included."""
        account = self.core.state.owner(ACCOUNT)
        found = [*account.orders.open.values(), *account.conditionals.open.values()]
        return [self.server.whole(order) for order in found]

    def conditionals(self) -> list[Order]:
        """Open orders that wait for their trigger, in a numbering of their own or not."""
        return [order for order in self.open_orders() if is_waiting(order)]


def is_waiting(order: Order) -> bool:
    """Whether an order waits for its trigger."""
    return order.is_conditional or bool(order.trigger and not order.ts_triggered)
