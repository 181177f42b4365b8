"""Events as plain values and back: what a tape keeps of a cursor, a book or a struct.

A stream is the events of one kind and one instrument. Cursors become rows of integers, a book what
changed in it, everything else the msgpack bytes of its struct.
"""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.model import events as account_events
from interlock.model import venue
from interlock.model.events import BarsClosed
from interlock.model.instrument import Instrument
from interlock.model.market import Bar, Book, Cursor, Quote, Trade
from interlock.ports import TapeFault

Values = list[Any]
# Kind, the instrument or None, the name of a struct or the step of a bar.
Stream = tuple[str, Instrument | None, str | int]

_VENUE_EVENTS: tuple[type[msgspec.Struct], ...] = (
    venue.Answer,
    venue.StreamChanged,
    venue.OrderSeen,
    venue.FillSeen,
    venue.PositionSeen,
    venue.BalanceSeen,
    venue.PaymentSeen,
)
_ACCOUNT_EVENTS: tuple[type[msgspec.Struct], ...] = (
    account_events.FundingPaid,
    account_events.BorrowPaid,
    account_events.PositionLiquidated,
    account_events.CorporateAction,
    account_events.MarkChanged,
    account_events.PastBars,
    account_events.TimerFired,
    account_events.Started,
    account_events.Stopped,
)
# An answer's content is one of several values that look alike as bytes; its name goes along.
_CONTENTS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        venue.VenueOrder,
        venue.VenueFill,
        venue.VenuePosition,
        venue.VenueBalance,
        venue.Payment,
    )
}
_CURSORS: dict[str, type[Cursor]] = {"quote": Quote, "trade": Trade}
COLUMNAR = frozenset({"quote", "trade", "bar"})

_pack = msgspec.msgpack.Encoder(order="deterministic").encode


def structs(extra: tuple[type[msgspec.Struct], ...] = ()) -> dict[str, type[msgspec.Struct]]:
    """Name -> struct of everything a tape knows; ``extra`` are those of the runtime."""
    return {kind.__name__: kind for kind in (*_VENUE_EVENTS, *_ACCOUNT_EVENTS, *extra)}


class Encoder:
    """Events to values. Remembers each book, so that only its changes are kept."""

    def __init__(self, known: dict[str, type[msgspec.Struct]]) -> None:
        self._known = known
        self._books: dict[str, tuple[dict[int, int], dict[int, int]]] = {}

    def forget(self) -> None:
        """Start anew: the next state of every book is a whole one."""
        self._books.clear()

    def encode(self, event: Any) -> tuple[Stream, Values]:
        """The event's stream and its values; raises TapeFault for what no tape knows."""
        match event:
            case Quote():
                return ("quote", event.instrument, 0), list(event.values())
            case Trade():
                return ("trade", event.instrument, 0), list(event.values())
            case Bar():
                return ("bar", event.instrument, event.step_ns), _bar_values(event)
            case Book():
                return ("book", event.instrument, 0), self._book_values(event)
            case BarsClosed():
                bars = [
                    [msgspec.to_builtins(bar.instrument), bar.step_ns, _bar_values(bar)]
                    for bar in event.bars
                ]
                return ("bars", None, 0), [event.ts_event, bars]
            case _:
                return self._struct(event)

    def _struct(self, event: Any) -> tuple[Stream, Values]:
        name = type(event).__name__
        if self._known.get(name) is not type(event):
            raise TapeFault(f"a tape does not know {name}; name its struct when the tape is opened")
        content: Values = []
        if isinstance(event, venue.Answer):
            content = _content_values(event.content)
            event = msgspec.structs.replace(event, content=None)
        return ("struct", None, name), [_pack(event), *content]

    def _book_values(self, book: Book) -> Values:
        before = self._books.get(book.instrument.id)
        self._books[book.instrument.id] = (book.bids.copy(), book.asks.copy())
        if before is None:
            return [book.ts_event, 1, _changes({}, book.bids), _changes({}, book.asks)]
        bids, asks = before
        return [book.ts_event, 0, _changes(bids, book.bids), _changes(asks, book.asks)]


class Decoder:
    """Values to events, in the order in which they were encoded."""

    def __init__(self, known: dict[str, type[msgspec.Struct]]) -> None:
        self._decoders = {
            name: msgspec.msgpack.Decoder(kind).decode
            for name, kind in known.items()
            if kind is not venue.Answer
        }
        self._books: dict[str, Book] = {}

    def decode(self, stream: Stream, values: Values) -> Any:
        """The event; an object of its own that nothing moves."""
        kind, instrument, detail = stream
        if kind == "struct":
            return self._struct(str(detail), values)
        if kind == "bars":
            ts, bars = values
            return BarsClosed(ts, tuple(_bar_of(*bar) for bar in bars))
        assert instrument is not None
        if kind == "bar":
            return _bar(instrument, int(detail), values)
        if kind == "book":
            return self._book(instrument, values)
        return _CURSORS[kind].of(instrument, *values)

    def _struct(self, name: str, values: Values) -> Any:
        if name == venue.Answer.__name__:
            return _answer(values)
        if name not in self._decoders:
            raise TapeFault(
                f"the tape holds {name}, which this reader was not told of; name its struct when "
                "the tape is opened"
            )
        return self._decoders[name](values[0])

    def _book(self, instrument: Instrument, values: Values) -> Book:
        ts, is_whole, bids, asks = values
        book = self._books.get(instrument.id)
        if is_whole or book is None:
            book = self._books[instrument.id] = Book(instrument)
        for side, levels in ((1, bids), (-1, asks)):
            prices, quantities = levels[::2], levels[1::2]
            book.update(([side] * len(prices), prices, quantities))
        book.ts_event = ts
        return book.copy()


def _changes(before: dict[int, int], now: dict[int, int]) -> list[int]:
    """Price and quantity of every level that is new, other or gone (0), one after the other."""
    flat: list[int] = []
    for price, quantity in now.items():
        if before.get(price) != quantity:
            flat += (price, quantity)
    for price in before:
        if price not in now:
            flat += (price, 0)
    return flat


def _bar_values(bar: Bar) -> Values:
    return [*bar.values(), bar.ts_event - bar.ts_open]


def _bar_of(instrument: Any, step_ns: int, values: Values) -> Bar:
    return _bar(msgspec.convert(instrument, Instrument), step_ns, values)


def _bar(instrument: Instrument, step_ns: int, values: Values) -> Bar:
    *row, ready = values
    bar = Bar.of(instrument, *row)
    bar.step_ns = step_ns
    return bar.arriving(bar.ts_open + ready)


def _content_values(content: Any) -> Values:
    """What kind an answer's content is, and its bytes."""
    if isinstance(content, tuple):
        return ["many", type(content[0]).__name__ if content else "", _pack(content)]
    if isinstance(content, msgspec.Struct):
        return ["one", type(content).__name__, _pack(content)]
    return ["plain", "", _pack(content)]


def _answer(values: Values) -> venue.Answer:
    fields = msgspec.msgpack.decode(values[0])
    fields["verdict"] = venue.Verdict(fields["verdict"])
    fields["content"] = _content(values[1:])
    return venue.Answer(**fields)


def _content(values: Values) -> Any:
    form, name, data = values
    if form == "plain":
        return msgspec.msgpack.decode(data)
    if not name:
        return ()
    kind: Any = _CONTENTS[name]
    return msgspec.msgpack.decode(data, type=kind if form == "one" else tuple[kind, ...])
