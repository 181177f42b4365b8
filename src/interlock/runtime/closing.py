"""From open to packed and back: how an order that is over leaves memory, and returns when named.

Rules of this file. Live trading and recovery take every row in through ``fold``; what is packed
when depends on rows alone, so both come to the same state. An order is packed some minutes after
it was over, whole. A row that names it brings it back before the row is taken in.
"""

from __future__ import annotations

from interlock.kernel.exits import protects
from interlock.kernel.snapshot import dump_order, load_order
from interlock.kernel.state import Order, State
from interlock.model.rows import (
    AnswerRow,
    AnyRow,
    CheckpointRow,
    EventRow,
    FillRow,
    IntentRow,
    RequestRow,
    StateRow,
    TransitionRow,
)
from interlock.runtime.adoption import ADOPTED, adopt
from interlock.runtime.archive import Closed
from interlock.runtime.books import Books
from interlock.runtime.settings import MINUTE, Settings

# Orders that one row packs at most: the work is spread over the rows that bring new ones.
PACKED_MAX = 4
# States of a scope in which no new risk is taken.
SHUT = frozenset({"started", "paused", "halted", "stopping", "stopped", "emergency", "flat"})
# How often a strategy was refused for that since the row before, its subject "strategy instrument".
HELD_BACK = "ORDERS_HELD_BACK"
CLEAN_EVERY_NS = MINUTE


def fold(state: State, books: Books, row: AnyRow, settings: Settings) -> None:
    """Take a row in; pack what has been over long enough, forget what is old."""
    if isinstance(row, _NAMING) and row.key not in books.tracks:
        _unpack(state, books, row.key, row.ts_event)
    books.apply(row)
    if isinstance(row, _NAMING) and row.key in books.closing:
        # Not packed by the row that names it: the kernel hears of that row after this.
        del books.closing[row.key]
        books.closing[row.key] = books.ts_last
    if isinstance(row, StateRow):
        _switch(state, row)
    elif isinstance(row, EventRow) and row.name == HELD_BACK:
        state.refused[row.subject] = 0
    elif isinstance(row, EventRow) and row.name == ADOPTED:
        adopt(state, books, row)
    if isinstance(row, CheckpointRow):
        # The state that it tells of was taken before it: a start from there never folds this row.
        return
    if books.closing and not isinstance(row, _WAITED_FOR):
        _pack(state, books, books.ts_last - settings.whole_ns)
    if books.ts_last >= books.ts_clean and not isinstance(row, _WAITED_FOR):
        books.ts_clean = books.ts_last + CLEAN_EVERY_NS
        # A life that begins days after the one before asks for what happened since its last
        # comparison: what was counted then must still be known.
        since = min(books.ts_last, max(books.ts_opened, books.ts_verified))
        books.clean(since - settings.late_fill_ns)


def _switch(state: State, row: StateRow) -> None:
    """The kernel refuses new risk where the last row of a scope says so; it tells so anew."""
    state.refused.clear()
    if row.state in SHUT:
        state.shut[row.scope] = f"{row.state}: {row.reason}" if row.reason else row.state
    else:
        state.shut.pop(row.scope, None)


def order_of(state: State, books: Books, client_order_id: str) -> Order | None:
    """An order of ours, open or over; a copy that nothing counts on when it is packed."""
    found = state.open.get(client_order_id) or state.closed.get(client_order_id)
    if found is not None or client_order_id in books.tracks or client_order_id not in books.given:
        return found
    closed = books.archive.find(client_order_id)
    if closed is None or closed.order is None or closed.order.strategy not in state.strategies:
        return None
    return load_order(state, closed.order)


def _pack(state: State, books: Books, ts_before: int) -> None:
    ripe: list[str] = []
    for name, ts in books.closing.items():
        # Never at the time of the row that names it: the kernel hears of that row later.
        if ts >= ts_before or len(ripe) == PACKED_MAX:
            break
        ripe.append(name)
    for name in ripe:
        del books.closing[name]
        order = state.closed.get(name)
        if name in state.open or (order is not None and order.spec.parent in order.owner.children):
            # Its bracket still refers to it; looked at again after as long a time.
            books.closing[name] = books.ts_last
            continue
        _put(books, name, order)
        state.closed.pop(name, None)


def _put(books: Books, name: str, order: Order | None) -> None:
    track = books.tracks.pop(name)
    known = books.names.get(track.spec.instrument, {})
    known.pop(track.venue_order_id, None)
    known.pop(track.child_id, None)
    books.archive.put(Closed(track, None if order is None else dump_order(order)), books.ts_last)
    spec = track.spec
    if spec.trigger and spec.tag != "leave" and protects(spec, spec.instrument, spec.side):
        books.stops[f"{track.strategy} {spec.instrument} {spec.side:+d}"] = spec.trigger


def _unpack(state: State, books: Books, name: str, ts: int) -> None:
    """Bring a packed order back, whole; what packed it does so again in its time."""
    closed = books.archive.find(name) if name in books.given else None
    if closed is None:
        return
    track = closed.track
    books.tracks[name] = track
    books.name_order(track.spec.instrument, track.venue_order_id, name)
    books.name_order(track.spec.instrument, track.child_id, name)
    books.closing[name] = max(ts, books.ts_last)
    if closed.order is not None and closed.order.strategy in state.strategies:
        state.closed[name] = load_order(state, closed.order)


# Rows that a request waits for: what can wait itself is done at others.
_WAITED_FOR = (IntentRow, RequestRow)
_NAMING = (FillRow, AnswerRow, RequestRow, TransitionRow)
