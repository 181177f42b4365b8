"""State to bytes and back: everything that ``step`` reads, so that what follows is the same.

The bytes are msgpack; a strategy's own state is a pickle with its digest beside it, taken in one
piece so that what it holds twice stays one thing. A pickle runs code when it is read: snapshots
belong to the process that wrote them and to nobody else's hands.
"""

from __future__ import annotations

import hashlib
import pickle
from typing import Any

import msgspec

from interlock.kernel.positions import Position
from interlock.kernel.state import InstrumentSlot, Order, State, StrategySlot
from interlock.kernel.view import KernelView
from interlock.model.market import Bar, Book, Quote, Trade
from interlock.model.order import OrderSpec, OrderStatus
from interlock.strategy.intents import Target

VERSION = 2
_KEPT_OUT = ("view", "_outbox")


class SnapshotError(ValueError):
    """Bytes that are no snapshot of this state."""


class PositionDump(msgspec.Struct, array_like=True):
    instrument: str
    quantity: int
    cost: int
    realized: int
    fees: int
    funding: int


class OrderDump(msgspec.Struct, array_like=True):
    client_order_id: str
    strategy: str
    ref: int
    spec: OrderSpec
    status: OrderStatus
    filled: int
    notional: int
    trades: tuple[int, ...]
    is_counted: bool
    ts_submitted: int
    ts_closed: int


class EventDump(msgspec.Struct, array_like=True):
    """A market event that a slot remembers: its class, its integers, and what else it needs."""

    kind: str
    values: list[int]
    step_ns: int = 0
    ready_ns: int = 0
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}


class SlotDump(msgspec.Struct, array_like=True):
    instrument: str
    last: EventDump | None
    mark_units: int
    net: PositionDump
    open_buy: int
    open_sell: int
    unknown: int


class StrategyDump(msgspec.Struct, array_like=True):
    name: str
    prefix: str
    wallet: int
    positions: list[PositionDump]
    refs: list[int]
    waiting: list[OrderDump]
    children: dict[int, list[int]]
    wants: dict[str, Target]
    warming: int
    prepares: bool
    is_started: bool
    digest: bytes
    own: bytes
    capital: int


class StateDump(msgspec.Struct, array_like=True):
    version: int
    seq: int
    ts_event: int
    wallet: int
    balances: dict[str, int]
    slots: list[SlotDump]
    open: list[OrderDump]
    closed: list[OrderDump]
    order_times: list[int]
    strategies: list[StrategyDump]
    shut: dict[str, str]
    refused: dict[str, int]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StateDump).decode


def dump(state: State) -> bytes:
    """The state as bytes, between two steps."""
    return _encode(
        StateDump(
            VERSION,
            state.seq,
            state.ts_event,
            state.wallet,
            state.balances,
            [_slot(slot) for slot in state.instruments.values()],
            [dump_order(order) for order in state.open.values()],
            [dump_order(order) for order in state.closed.values()],
            list(state.order_times),
            [_strategy(owner) for owner in state.strategies.values()],
            state.shut,
            state.refused,
        )
    )


def load(state: State, data: bytes) -> None:
    """Bring a fresh state, with the same instruments and strategies, to where it was dumped."""
    try:
        kept = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotError(f"the snapshot cannot be read: {error}; replay the ledger") from error
    if kept.version != VERSION:
        raise SnapshotError(f"snapshot version {kept.version} is not {VERSION}; replay the ledger")
    state.seq, state.ts_event, state.wallet = kept.seq, kept.ts_event, kept.wallet
    state.balances = dict(kept.balances)
    state.shut, state.refused = dict(kept.shut), dict(kept.refused)
    state.order_times.extend(kept.order_times)
    for slot in kept.slots:
        if slot.instrument in state.instruments:
            _load_slot(state.instruments[slot.instrument], slot)
    for owner in kept.strategies:
        if owner.name not in state.strategies:
            raise SnapshotError(
                f"the snapshot has a strategy {owner.name!r} that this run lacks; add it, or close "
                "its positions and orders with the version that has it"
            )
        _load_strategy(state, state.strategies[owner.name], owner)
    for order in kept.open:
        found = load_order(state, order)
        state.open[found.client_order_id] = found
    for order in kept.closed:
        found = load_order(state, order)
        state.closed[found.client_order_id] = found
    for owner in kept.strategies:
        _load_orders(state, state.strategies[owner.name], owner)


def dump_strategy(owner: StrategySlot) -> bytes:
    """A strategy's own state, in one piece."""
    own = {key: value for key, value in vars(owner.strategy).items() if key not in _KEPT_OUT}
    return pickle.dumps(own, protocol=5)


def _strategy(owner: StrategySlot) -> StrategyDump:
    own = dump_strategy(owner)
    waiting = {
        order.ref: order
        for order in (*owner.orders.values(), *(o for c in owner.children.values() for o in c))
        if order.status is OrderStatus.INITIALIZED
    }
    return StrategyDump(
        owner.name,
        owner.prefix,
        owner.wallet,
        [_position(position) for position in owner.positions.values()],
        list(owner.orders),
        [dump_order(order) for order in waiting.values()],
        {ref: [child.ref for child in children] for ref, children in owner.children.items()},
        dict(owner.wants),
        owner.warming,
        owner.prepares,
        hasattr(owner.strategy, "view"),
        hashlib.sha256(own).digest(),
        own,
        owner.capital,
    )


def _load_strategy(state: State, owner: StrategySlot, kept: StrategyDump) -> None:
    if hashlib.sha256(kept.own).digest() != kept.digest:
        raise SnapshotError(f"the state of strategy {owner.name!r} is damaged; replay the ledger")
    owner.prefix, owner.wallet = kept.prefix, kept.wallet
    owner.capital = kept.capital
    owner.warming, owner.prepares = kept.warming, kept.prepares
    owner.wants = dict(kept.wants)
    for position in kept.positions:
        slot = state.instruments[position.instrument]
        _load_position(owner.position(slot), position)
    for key, value in _own(owner.name, kept.own).items():
        setattr(owner.strategy, key, value)
    if kept.is_started:
        owner.strategy.view = KernelView(state, owner)


def _own(name: str, kept: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = pickle.loads(kept)
    except Exception as error:  # noqa: BLE001 - its classes may be gone, and raise what they like
        raise SnapshotError(
            f"the state of strategy {name!r} needs what is not there any more ({error}); put its "
            "file and classes back, or replay the ledger"
        ) from error
    return found


def _load_orders(state: State, owner: StrategySlot, kept: StrategyDump) -> None:
    """Link a strategy's references to its orders, open, waiting and lately over."""
    found = {order.ref: order for order in state.closed.values() if order.owner is owner}
    found |= {order.ref: order for order in state.open.values() if order.owner is owner}
    found |= {order.ref: load_order(state, order) for order in kept.waiting}
    owner.orders.update((ref, found[ref]) for ref in kept.refs if ref in found)
    for ref, children in kept.children.items():
        owner.children[ref] = [found[child] for child in children if child in found]


def dump_order(order: Order) -> OrderDump:
    """An order as plain values."""
    return OrderDump(
        order.client_order_id,
        order.owner.name,
        order.ref,
        order.spec,
        order.status,
        order.filled,
        order.notional,
        order.trades,
        order.is_counted,
        order.ts_submitted,
        order.ts_closed,
    )


def load_order(state: State, kept: OrderDump) -> Order:
    """The order of plain values, among the strategies of a state; it is not put into the state."""
    owner = state.strategies[kept.strategy]
    order = Order(kept.client_order_id, owner, kept.ref, kept.spec)
    order.status, order.filled, order.notional = kept.status, kept.filled, kept.notional
    order.trades, order.is_counted = kept.trades, kept.is_counted
    order.ts_submitted, order.ts_closed = kept.ts_submitted, kept.ts_closed
    return order


def _position(position: Position) -> PositionDump:
    return PositionDump(
        position.instrument.id,
        position.quantity,
        position.cost,
        position.realized,
        position.fees,
        position.funding,
    )


def _load_position(position: Position, kept: PositionDump) -> None:
    position.quantity, position.cost, position.realized = kept.quantity, kept.cost, kept.realized
    position.fees, position.funding = kept.fees, kept.funding


def _slot(slot: InstrumentSlot) -> SlotDump:
    return SlotDump(
        slot.instrument.id,
        _event(slot.last),
        slot.mark_units,
        _position(slot.net),
        slot.open_buy,
        slot.open_sell,
        slot.unknown,
    )


def _load_slot(slot: InstrumentSlot, kept: SlotDump) -> None:
    slot.last = _load_event(slot, kept.last)
    slot.mark_units = kept.mark_units
    _load_position(slot.net, kept.net)
    slot.open_buy, slot.open_sell, slot.unknown = kept.open_buy, kept.open_sell, kept.unknown


def _event(last: Any) -> EventDump | None:
    if last is None:
        return None
    if isinstance(last, Book):
        return EventDump("Book", [last.ts_event], bids=dict(last.bids), asks=dict(last.asks))
    values = list(last.values())
    if isinstance(last, Bar):
        return EventDump("Bar", values, last.step_ns, last._ready_ns)
    return EventDump(type(last).__name__, values)


def _load_event(slot: InstrumentSlot, kept: EventDump | None) -> Any:
    if kept is None:
        return None
    if kept.kind == "Book":
        book = Book(slot.instrument)
        book.ts_event = kept.values[0]
        for side, levels in ((1, kept.bids), (-1, kept.asks)):
            for price, quantity in levels.items():
                book.set_level(side, price, quantity=quantity)
        return book
    if kept.kind == "Bar":
        bar = Bar.of(slot.instrument, *kept.values)
        bar.step_ns, bar._ready_ns = kept.step_ns, kept.ready_ns
        return bar
    return {"Quote": Quote, "Trade": Trade}[kept.kind].of(slot.instrument, *kept.values)
