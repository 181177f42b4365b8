"""I14: a position that needs protection has a stop at the venue that covers it, soon enough.

What the core places to protect or to leave one can only shrink it, where it loses.
"""

from __future__ import annotations

from typing import Any

from interlock.model.events import MarkChanged
from interlock.model.market import Quote
from interlock.model.order import OrderStatus, OrderType
from interlock.model.rows import AnyRow, IntentRow
from interlock.model.venue import PlaceRequest
from interlock.runtime.settings import SECOND
from interlock.runtime.values import Outputs
from interlock.sim.venue.requests import is_trading
from interlock.sim.venue.values import AccountEvent, ConditionalEvent, Order, OrderEvent
from interlock.world.exchange import ACCOUNT
from interlock.world.judging import Judge
from interlock.world.process import Process
from interlock.world.scene import Scene

# How long a position may stand uncovered, counted only while an engine trades and the venue can
# be reached: the alarm and the exit at the market come long before.
NAKED_NS = 45 * SECOND
LOOK_NS = 1 * SECOND
# How far a price is from a mark that makes it doubtful, in percent.
WILD = 3
_STOPS = frozenset({OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})
# What the core places for a position by itself: a stop, and the ways out of it.
_REPAIRS = frozenset({"protect", "leave", "flatten", "cross", "market"})


class Protection(Judge):
    """Watches positions of the venue, from the moment one is uncovered until it is covered."""

    invariants = ("I14",)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._naked: dict[str, int] = {}
        self.longest = 0

    def saw(self, event: Any) -> None:
        """Whatever may cover or uncover a position of ours."""
        if not self.scene.protected or isinstance(event, AccountEvent):
            return
        if not isinstance(event, OrderEvent | ConditionalEvent) or event.order.account != ACCOUNT:
            return
        symbol = event.order.symbol
        if symbol not in self._naked and self._missing(symbol):
            self._naked[symbol] = 0
            self.scene.timeline.after(LOOK_NS, self._look, symbol)

    def _missing(self, symbol: str) -> int:
        """Quantity of the position that no stop of ours covers; 0 where strangers trade too."""
        self.checked["I14"] += 1
        held = self.scene.exchange.position(symbol)
        if not held or symbol in self.scene.truth.touched_at:
            return 0
        side = -1 if held > 0 else 1
        stops = [
            order
            for order in self.scene.exchange.conditionals()
            if order.symbol == symbol and order.side == side and order.type in _STOPS
        ]
        for order in stops:
            self._is_exit(order)
        return max(0, abs(held) - sum(order.left for order in stops))

    def _may_be_covered(self, symbol: str) -> bool:
        """Whether the venue takes orders, and tells of executions that its stream has lost."""
        scene = self.scene
        tells = scene.network.tradeless_until <= scene.timeline.ts
        return tells and is_trading(scene.exchange.core.state.markets[symbol])

    def _leaves_in_doubt(self, symbol: str) -> bool:
        """Whether an exit at the market may have happened: a second one would be sent twice."""
        return any(
            order.status is OrderStatus.UNKNOWN and order.intent.spec.type is OrderType.MARKET
            for order in self.record.open.get(symbol, {}).values()
        )

    def _is_exit(self, order: Order) -> None:
        if not order.reduce_only:
            text = f"the stop {order.client_id} could open a position: it is not reduce-only"
            self.demand("I14", False, text)

    def _look(self, symbol: str) -> None:
        missing = self._missing(symbol)
        if not missing:
            del self._naked[symbol]
            return
        if self.may_act() and self._may_be_covered(symbol) and not self._leaves_in_doubt(symbol):
            self._naked[symbol] += LOOK_NS
            self.longest = max(self.longest, self._naked[symbol])
            if self._naked[symbol] > NAKED_NS:
                seconds = self._naked[symbol] // SECOND
                text = f"{missing} of {symbol} stand without a stop for {seconds} s"
                self.demand("I14", False, text)
        self.scene.timeline.after(LOOK_NS, self._look, symbol)


class Repairs(Judge):
    """Every order that the core places for a position by itself, when it is decided."""

    invariants = ("I14",)
    hears = (Quote, MarkChanged)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        # By process and symbol: the newest price that its present life has heard, the venue's
        # newest mark in any life, and those whose present life has heard one.
        self._prices: dict[tuple[str, str], int] = {}
        self._marks: dict[tuple[str, str], int] = {}
        self._marked: set[tuple[str, str]] = set()
        # What the stop of an order was measured by, by its id: its row may take seconds.
        self._seen: dict[str, list[int]] = {}

    def started(self, process: Process) -> None:
        """A new life has heard nothing: it goes by what its snapshot and its tape have."""
        name = process.name
        self._prices = {key: price for key, price in self._prices.items() if key[0] != name}
        self._marked = {key for key in self._marked if key[0] != name}

    def took(self, process: Process, event: Any, outputs: Outputs) -> None:
        """Prices by which a stop may be placed, and the stops that are decided on them."""
        if type(event) is Quote:
            self._prices[(process.name, event.instrument.id)] = event.mark_units
        elif type(event) is MarkChanged:
            key = (process.name, event.instrument)
            self._marks[key] = event.price
            self._marked.add(key)
        for request in outputs.requests:
            if type(request) is PlaceRequest and request.spec.tag in _REPAIRS:
                key = (process.name, request.spec.instrument)
                self._seen[request.client_order_id] = self._measures(key)

    def _measures(self, key: tuple[str, str]) -> list[int]:
        """Prices that an engine may measure a stop by; none where it has old ones alone."""
        price, mark = self._prices.get(key, 0), self._marks.get(key, 0)
        if key in self._marked:
            return [price, mark] if price else [mark]
        # A price that is far from the mark of the life before is not believed yet.
        return [price] if abs(price - mark) * 100 <= WILD * mark else []

    def wrote(self, process: Process, row: AnyRow) -> None:
        """Against the position that the rows before it tell of."""
        if not isinstance(row, IntentRow) or row.spec.tag not in _REPAIRS:
            return
        spec, name = row.spec, row.client_order_id
        held = self.record.held.get((row.strategy, spec.instrument), 0)
        text = f"{name} ({spec.tag}) has side {spec.side} for a position of {held}"
        self.demand("I14", held * spec.side < 0, text)
        seen = self._seen.pop(name, [])
        if spec.trigger and seen:
            is_losing = any((price - spec.trigger) * spec.side < 0 for price in seen)
            text = f"the stop {name} at {spec.trigger} is beyond the price and the mark: {seen}"
            self.demand("I14", is_losing, text)
