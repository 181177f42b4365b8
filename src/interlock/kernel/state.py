"""The state that ``step`` owns: clocks, instruments, strategies, orders and money."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from interlock.kernel.positions import Position
from interlock.model.effects import Effect
from interlock.model.facts import Fact
from interlock.model.instrument import Instrument, InstrumentKind
from interlock.model.limits import Limits
from interlock.model.order import TERMINAL, OrderSpec, OrderStatus
from interlock.model.units import MONEY_SCALE
from interlock.strategy.api import Strategy
from interlock.strategy.intents import Target

CLOSED_KEPT = 4096


class Order:
    """Our record of one instruction and its life."""

    __slots__ = (
        "client_order_id",
        "filled",
        "is_counted",
        "notional",
        "owner",
        "ref",
        "spec",
        "status",
        "trades",
        "ts_closed",
        "ts_submitted",
    )

    def __init__(
        self, client_order_id: str, owner: StrategySlot, ref: int, spec: OrderSpec
    ) -> None:
        self.client_order_id = client_order_id
        self.owner = owner
        self.ref = ref
        self.spec = spec
        self.status = OrderStatus.INITIALIZED
        self.filled = 0
        self.notional = 0
        # Ids of the executions that were counted, and whether the leaves are in the open sums.
        self.trades: tuple[int, ...] = ()
        self.is_counted = False
        self.ts_submitted = 0
        self.ts_closed = 0

    @property
    def leaves(self) -> int:
        """Quantity units still open."""
        return self.spec.quantity - self.filled

    @property
    def is_open(self) -> bool:
        """Whether the order can still trade."""
        return self.status not in TERMINAL


class InstrumentSlot:
    """What the kernel knows of one instrument: last event, mark, net position, open orders."""

    __slots__ = (
        "instrument",
        "last",
        "mark_units",
        "net",
        "open_buy",
        "open_sell",
        "stale",
        "unknown",
    )

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.last: Any = None
        self.mark_units = 0
        self.net = Position(instrument)
        self.open_buy = 0
        self.open_sell = 0
        self.unknown = 0
        # Where to say that a total is no longer right; None while nobody keeps totals.
        self.stale: dict[str, InstrumentSlot] | None = None

    def changed(self) -> None:
        """The mark, the position or the open orders changed."""
        if self.stale is not None:
            self.stale[self.instrument.id] = self

    @property
    def mark(self) -> int:
        """The mark in price units: the venue's when it gives one, else the last; 0 = none yet."""
        if self.mark_units:
            return self.mark_units
        last = self.last
        return 0 if last is None else last.mark_units


# What one instrument adds, in money units: open profit, gross value, cost of what is paid for; and
# 1 when it is held without a mark. Plain: one is made on every quote of what is held.
Part = tuple[int, int, int, int]
NOTHING: Part = (0, 0, 0, 0)


class Totals:
    """Open profit, gross value with open orders, cost of what is paid for: kept part by part.

    Live trading decides between many quotes; each quote brings its own instrument's part up to
    date, so that a decision adds up nothing. A backtest scans and pays nothing on a bar.
    """

    __slots__ = ("_parts", "gross", "profit", "stale", "tied", "unpriced")

    def __init__(self, slots: dict[str, InstrumentSlot]) -> None:
        # Slots that changed since their part was counted.
        self.stale: dict[str, InstrumentSlot] = dict(slots)
        self.profit = 0
        self.gross = 0
        self.tied = 0
        self.unpriced = 0
        self._parts: dict[str, Part] = {}
        for slot in slots.values():
            slot.stale = self.stale

    def gross_without(self, slot: InstrumentSlot) -> int:
        """Gross value of all instruments but one, in money units."""
        return self.gross - self._parts.get(slot.instrument.id, NOTHING)[1]

    def settle(self) -> None:
        """Count the parts of everything that changed anew."""
        stale, parts = self.stale, self._parts
        while stale:
            name, slot = stale.popitem()
            before = parts.get(name, NOTHING)
            after = _part(slot)
            if after == before:
                continue
            parts[name] = after
            self.profit += after[0] - before[0]
            self.gross += after[1] - before[1]
            self.tied += after[2] - before[2]
            self.unpriced += after[3] - before[3]


def _part(slot: InstrumentSlot) -> Part:
    """What an instrument adds now; open orders count as if the larger side of them had filled."""
    net, instrument = slot.net, slot.instrument
    quantity, buys, sells = net.quantity, slot.open_buy, slot.open_sell
    if not (quantity or buys or sells or net.cost):
        return NOTHING
    mark, tied = slot.mark, 0
    if instrument.kind is not InstrumentKind.PERPETUAL:
        tied = net.cost
    value = instrument.notional(mark, quantity)
    gross = abs(value)
    if buys or sells:
        gross = instrument.notional(mark, max(abs(quantity + buys), abs(quantity - sells)))
    if not quantity:
        return 0, gross, tied, 0
    return value - net.cost, gross, tied, 0 if mark else 1


class StrategySlot:
    """One strategy with its capital, positions and orders."""

    __slots__ = (
        "capital",
        "children",
        "hears_fills",
        "hears_orders",
        "name",
        "on_bar",
        "on_quote",
        "orders",
        "outbox",
        "positions",
        "prepares",
        "prefix",
        "seal",
        "strategy",
        "wallet",
        "wants",
        "warming",
    )

    def __init__(self, name: str, prefix: str, strategy: Strategy, capital: int) -> None:
        self.name = name
        self.prefix = prefix
        # Completes an id from its prefix and reference; live trading adds a check.
        self.seal: Callable[[str], str] = str
        self.strategy = strategy
        self.capital = capital
        self.wallet = capital
        self.positions: dict[str, Position] = {}
        self.orders: dict[int, Order] = {}
        self.children: dict[int, list[Order]] = {}
        self.wants: dict[str, Target] = {}
        self.warming = strategy.warmup
        # Bound once: the callbacks and the outbox are read on every market event.
        self.on_bar = strategy.on_bar
        self.on_quote = strategy.on_quote
        self.outbox = strategy._outbox
        self.prepares = True
        self.hears_fills = type(strategy).on_fill is not Strategy.on_fill
        self.hears_orders = type(strategy).on_order is not Strategy.on_order

    def client_order_id(self, ref: int) -> str:
        """The id under which the order of a reference is known at the venue."""
        return self.seal(f"{self.prefix}{ref:x}")

    def position(self, slot: InstrumentSlot) -> Position:
        """The strategy's position in an instrument."""
        instrument = slot.instrument
        found = self.positions.get(instrument.id)
        if found is None:
            found = self.positions[instrument.id] = Position(instrument)
        return found


class State:
    """Everything ``step`` may change, and the journal of what it decided."""

    __slots__ = (
        "balances",
        "closed",
        "currency",
        "effects",
        "facts",
        "instruments",
        "limits",
        "open",
        "order_times",
        "refused",
        "seq",
        "shut",
        "strategies",
        "totals",
        "ts_event",
        "wallet",
    )

    def __init__(
        self, *, currency: str, cash: int, instruments: Iterable[Instrument], limits: Limits
    ) -> None:
        self.seq = 0
        self.ts_event = 0
        self.currency = currency
        self.wallet = cash
        self.balances: dict[str, int] = {}
        self.instruments = {item.id: InstrumentSlot(item) for item in instruments}
        self.strategies: dict[str, StrategySlot] = {}
        self.open: dict[str, Order] = {}
        self.closed: OrderedDict[str, Order] = OrderedDict()
        self.limits = limits
        self.order_times: deque[int] = deque()
        self.effects: list[Effect] = []
        self.facts: list[Fact] = []
        self.totals: Totals | None = None
        # Scopes ("" is everything, else an instrument or strategy) that take no new risk, and why;
        # what was refused for it after the first time, by strategy and instrument.
        self.shut: dict[str, str] = {}
        self.refused: dict[str, int] = {}

    def keep_totals(self) -> None:
        """Keep totals from here on; who changes a mark says so to its slot."""
        self.totals = Totals(self.instruments)

    def add(self, name: str, strategy: Strategy, capital: int) -> StrategySlot:
        """Take a strategy in with its share of the cash."""
        if name in self.strategies:
            raise ValueError(f"strategy name {name!r} is taken; give each strategy its own name")
        prefix = f"{name[:12]}-"
        taken = {owner.prefix for owner in self.strategies.values()}
        count = 1
        while prefix in taken:
            count += 1
            prefix = f"{name[:10]}.{count}-"
        slot = StrategySlot(name, prefix, strategy, capital)
        self.strategies[name] = slot
        return slot

    def obey(self, limits: Limits, capital: Mapping[str, int]) -> None:
        """Judge by these limits from here on, with these shares of the cash in money units."""
        self.limits = limits
        for name, share in capital.items():
            owner = self.strategies.get(name)
            if owner is not None:
                owner.wallet += share - owner.capital
                owner.capital = share

    def equity(self) -> int | None:
        """Account equity in money units; None while a held position has no mark."""
        total = self.wallet
        for slot in self.instruments.values():
            if slot.net.quantity:
                mark = slot.mark
                if not mark:
                    return None
                total += slot.net.unrealized(mark)
        return total

    def strategy_equity(self, owner: StrategySlot) -> int | None:
        """Equity of one strategy in money units; None while a held position has no mark."""
        total = owner.wallet
        for key, position in owner.positions.items():
            if position.quantity:
                mark = self.instruments[key].mark
                if not mark:
                    return None
                total += position.unrealized(mark)
        return total

    def free_cash(self) -> int:
        """Cash not tied up in paid-for positions (spot and cash equities), in money units."""
        if self.totals is not None:
            self.totals.settle()
            return self.wallet - self.totals.tied
        tied = 0
        for slot in self.instruments.values():
            if slot.instrument.kind is not InstrumentKind.PERPETUAL:
                tied += slot.net.cost
        return self.wallet - tied

    def equity_and_gross(self, without: InstrumentSlot) -> tuple[int | None, int]:
        """Equity (None if unknown), and the gross value of all instruments but one.

        Open orders count as if the larger side of them had filled.
        """
        totals = self.totals
        if totals is not None:
            totals.settle()
            if totals.unpriced:
                return None, 0
            return self.wallet + totals.profit, totals.gross_without(without)
        equity, gross = self.wallet, 0
        for slot in self.instruments.values():
            net = slot.net
            if net.quantity:
                mark = slot.mark
                if not mark:
                    return None, 0
                value = net.value(mark)
                equity += value - net.cost
                if slot is not without and not (slot.open_buy or slot.open_sell):
                    gross += abs(value)
            if slot is not without and (slot.open_buy or slot.open_sell):
                worst = max(abs(net.quantity + slot.open_buy), abs(net.quantity - slot.open_sell))
                gross += slot.instrument.notional(slot.mark, worst)
        return equity, gross

    def close_order(self, order: Order) -> None:
        """Move an order that is over out of the open ones, keeping it for late reports."""
        self.open.pop(order.client_order_id, None)
        closed = self.closed
        closed[order.client_order_id] = order
        if len(closed) > CLOSED_KEPT:
            closed.popitem(last=False)


def money(value: int) -> float:
    """Money units as a float, for views and reports."""
    scaled: float = value / MONEY_SCALE
    return scaled
