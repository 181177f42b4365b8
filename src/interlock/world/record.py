"""What the venue's events and the durable rows add up to, for judges: folded once, asked by many.

Rules of this file. Nothing here is told by the engine but by rows that are on the disk, and the
fold is a second one: it shares no code with the books and the kernel that it is held against.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from fractions import Fraction
from typing import Any

import msgspec

from interlock.model.order import TERMINAL, Change, OrderStatus, OrderType
from interlock.model.rows import (
    AdjustmentRow,
    AnyRow,
    CommandRow,
    FillRow,
    IntentRow,
    RequestRow,
    StateRow,
    TransitionRow,
)
from interlock.model.venue import AmendRequest
from interlock.sim.venue.values import ConditionalEvent, Event, Fill, Order, OrderEvent

EXTERNAL = "external"
FORCED = ("autoclose-", "adl_autoclose", "liquidation")

# Tags of what is placed to shrink a position, by the core or by a strategy that closes. The rungs
# of the ladder are among them: where another's position outweighs the strategy's they leave without
# the venue's mark, beside the stop that they take the place of.
EXITS = frozenset({"leave", "protect", "flatten", "cross", "market", "close", "stop", "target"})

Trade = tuple[str, int]


class OrderRecord(msgspec.Struct):
    """One order of ours as the rows tell it."""

    intent: IntentRow
    quantity: int
    status: OrderStatus = OrderStatus.SUBMITTED
    filled: int = 0
    # Whether it could grow its strategy's position when it was decided.
    is_entry: bool = True

    @property
    def is_over(self) -> bool:
        """Whether the rows say that it can trade no more."""
        return self.status in TERMINAL

    @property
    def leaves(self) -> int:
        """What it may still trade."""
        return max(0, self.quantity - self.filled)


class Arrival(msgspec.Struct):
    """One order of the account as the venue has it: when it came, and its newest state."""

    ts: int
    order: Order
    # How many orders of this id the venue took on.
    count: int = 1
    # Executions of all orders under this id.
    filled: int = 0
    # Every quantity and price that the venue has held it with.
    forms: dict[tuple[int, int], None] = {}


class Record:
    """Orders, executions and switches, from both sides. ``account`` is the venue's name for us."""

    def __init__(self, account: str) -> None:
        self.account = account
        # The venue's side.
        self.arrivals: dict[str, Arrival] = {}
        self._conditionals: dict[int, str] = {}
        self._names: dict[int, str] = {}
        self.trades: dict[Trade, Fill] = {}
        # Executions that no durable row tells of yet, by symbol.
        self.untold: dict[str, dict[int, Fill]] = {}
        # The rows' side.
        self.orders: dict[str, OrderRecord] = {}
        self.open: dict[str, dict[str, OrderRecord]] = {}
        self.unknown: dict[str, dict[str, None]] = {}
        self.requests: dict[int, RequestRow] = {}
        self.applied: dict[Trade, FillRow] = {}
        self.held: dict[tuple[str, str], int] = {}
        self.switches: dict[str, StateRow] = {}
        # The newest command that was accepted, by scope.
        self.commands: dict[str, CommandRow] = {}

    # The venue.
    def saw(self, event: Event) -> None:
        """The venue did something on any account."""
        if isinstance(event, OrderEvent):
            if event.order.account == self.account:
                self._order(event.order, event.execution == "new", event.ts)
                if event.fill is not None:
                    self._fill(event.fill)
        elif isinstance(event, ConditionalEvent) and event.order.account == self.account:
            self._order(event.order, event.status == "new", event.ts)

    def _order(self, order: Order, is_new: bool, ts: int) -> None:
        # An order that a conditional became goes on under the conditional's id.
        name = self.name_of_order(order)
        if order.is_conditional:
            self._conditionals[order.order_id] = name
        else:
            self._names[order.order_id] = name
        found, form = self.arrivals.get(name), (order.quantity, order.price)
        if found is None:
            self.arrivals[name] = Arrival(ts, order, forms={form: None})
            return
        found.forms[form] = None
        if is_new and not order.conditional_id:
            found.count += 1
        if order.is_open or order.order_id >= found.order.order_id:
            found.order = order

    def _fill(self, fill: Fill) -> None:
        self.trades[(fill.symbol, fill.fill_id)] = fill
        arrival = self.arrivals.get(self.name_of(fill))
        if arrival is not None:
            arrival.filled += fill.quantity
        self.untold.setdefault(fill.symbol, {})[fill.fill_id] = fill

    def name_of(self, fill: Fill) -> str:
        """The client id of the order that an execution is of; its conditional's for a child."""
        return self._names.get(fill.order_id, fill.client_id)

    def name_of_order(self, order: Order) -> str:
        """The client id of an order; its conditional's for a child."""
        return self._conditionals.get(order.conditional_id, order.client_id)

    # The rows.
    def fold(self, row: AnyRow) -> None:
        """Take one durable row in."""
        change = _FOLD.get(type(row))
        if change is not None:
            change(self, row)

    def intent(self, row: IntentRow) -> None:
        """An order may leave."""
        order = OrderRecord(row, row.spec.quantity)
        order.is_entry = not self.is_exit(row)
        self.orders.setdefault(row.client_order_id, order)
        self.open.setdefault(row.spec.instrument, {})[row.client_order_id] = order

    def is_exit(self, row: IntentRow, *, known: Container[str] | None = None) -> bool:
        """Whether an order can only shrink its strategy's position, by the rows so far.

        Orders that are not among ``known`` are over already, though no row tells of it yet.
        """
        spec = row.spec
        if spec.reduce_only:
            return True
        held = self.held.get((row.strategy, spec.instrument), 0)
        if held * spec.side >= 0:
            return False
        if spec.parent or spec.tag in EXITS:
            # Not reduce-only at the venue where the net position is another one's too.
            first = self.orders.get(row.parent)
            return spec.quantity <= max(abs(held), first.quantity if first is not None else 0)
        working = sum(
            other.leaves
            for name, other in self.open.get(spec.instrument, {}).items()
            if name != row.client_order_id
            and (known is None or name in known)
            and other.intent.strategy == row.strategy
            and other.intent.spec.side == spec.side
            and (not other.intent.spec.reduce_only or other.intent.spec.type is OrderType.MARKET)
        )
        return working + spec.quantity <= abs(held)

    def adds_now(self, order: OrderRecord, known: Container[str]) -> bool:
        """Whether an entry still is one beside the orders that are ``known`` to be open."""
        return not self.is_exit(order.intent, known=known)

    def transition(self, row: TransitionRow) -> None:
        """An order moved."""
        order = self.orders.get(row.client_order_id)
        if order is None:
            return
        if row.change is Change.UPDATE:
            order.quantity = row.quantity
        self._status(order, row.after)

    def _status(self, order: OrderRecord, status: OrderStatus) -> None:
        order.status = status
        name, symbol = order.intent.client_order_id, order.intent.spec.instrument
        if status is OrderStatus.UNKNOWN:
            self.unknown.setdefault(symbol, {})[name] = None
        else:
            self.unknown.get(symbol, {}).pop(name, None)
        if status in TERMINAL:
            self.open.get(symbol, {}).pop(name, None)

    def fill(self, row: FillRow) -> None:
        """An execution was applied."""
        told = row.fill
        self.applied.setdefault((told.instrument, told.trade_id), row)
        self.untold.get(told.instrument, {}).pop(told.trade_id, None)
        signed = told.quantity if told.side > 0 else -told.quantity
        order = self.orders.get(row.client_order_id)
        if order is not None:
            order.filled += told.quantity
            self._hold(row.strategy, told.instrument, signed)
            if order.filled >= order.quantity and not order.is_over:
                self._status(order, OrderStatus.FILLED)
            elif order.status in (OrderStatus.UNKNOWN, OrderStatus.SUBMITTED):
                self._status(order, OrderStatus.PARTIALLY_FILLED)
            return
        rest = signed
        if told.client_order_id.startswith(FORCED):
            rest = self._close_holders(told.instrument, signed)
        self._hold(row.strategy or EXTERNAL, told.instrument, rest)

    def _close_holders(self, symbol: str, signed: int) -> int:
        """A forced close takes from whoever holds, in proportion; returns what is left of it."""
        sign = 1 if signed > 0 else -1
        holders = [
            (owner, abs(held))
            for (owner, name), held in self.held.items()
            if name == symbol and held * sign < 0
        ]
        # Whoever trades comes before the bucket of what nobody ordered.
        holders.sort(key=lambda item: item[0] == EXTERNAL)
        whole = sum(held for _, held in holders)
        size = min(abs(signed), whole)
        parts = [round(Fraction(size * held, whole)) for _, held in holders]
        rest = size - sum(parts)
        for (owner, _), part in zip(holders, parts, strict=True):
            # What rounding left over is the first ones', a unit each.
            unit = (rest > 0) - (rest < 0)
            self._hold(owner, symbol, sign * (part + unit))
            rest -= unit
        return signed - sign * size

    def _hold(self, owner: str, symbol: str, signed: int) -> None:
        self.held[(owner, symbol)] = self.held.get((owner, symbol), 0) + signed

    def adjustment(self, row: AdjustmentRow) -> None:
        """A position that no execution explains was put somewhere."""
        self._hold(row.bucket, row.instrument, row.quantity)

    def position(self, symbol: str) -> int:
        """What the rows say that the account holds, signed quantity units."""
        return sum(held for (_, name), held in self.held.items() if name == symbol)

    def command(self, row: CommandRow) -> None:
        """An operator's verb was taken or refused."""
        if row.is_accepted:
            self.commands[row.arguments.get("scope", "")] = row

    def grows(self, request: AmendRequest) -> bool:
        """Whether an amendment asks for more quantity of an order that may add risk."""
        order = self.orders.get(request.client_order_id)
        if order is None or request.spec.reduce_only:
            return False
        intent = order.intent.spec
        if intent.parent or intent.tag in EXITS:
            return False
        return request.spec.quantity > order.quantity

    def closed(self, symbol: str, strategy: str) -> StateRow | None:
        """The switch that keeps new risk out, None when all are open."""
        for scope in ("", symbol, strategy):
            found = self.switches.get(scope)
            if found is not None and found.state not in ("trading", ""):
                return found
        return None


def _request(record: Record, row: RequestRow) -> None:
    """A cancel, an amendment or a dead man's switch may leave."""
    record.requests[row.request.request_id] = row


def _state(record: Record, row: StateRow) -> None:
    """A switch moved."""
    record.switches[row.scope] = row


_FOLD: dict[type, Callable[[Record, Any], None]] = {
    IntentRow: Record.intent,
    RequestRow: _request,
    TransitionRow: Record.transition,
    FillRow: Record.fill,
    AdjustmentRow: Record.adjustment,
    StateRow: _state,
    CommandRow: Record.command,
}
