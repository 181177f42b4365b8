"""Frames of the socket as values, and the words that open and close subscriptions.

Market events carry the venue's time, because a book without sequence numbers can be judged by
nothing else; give them their arrival with ``arriving(ts)``. What the user's streams tell carries
the arrival in ``ts_event`` and the venue's time inside. A channel that is not known is no error.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from interlock.model.market import Book, Quote, Trade
from interlock.model.venue import (
    FillSeen,
    OrderSeen,
    PaymentSeen,
    VenueBalance,
    VenuePosition,
)
from interlock.wire.hyperliquid import info
from interlock.wire.hyperliquid.candles import CandleRow, values_of
from interlock.wire.hyperliquid.cloids import Cloids
from interlock.wire.hyperliquid.instruments import Universe
from interlock.wire.hyperliquid.text import (
    NS_PER_MS,
    WireFault,
    decode,
    side_of,
    units_of,
)

PING = b'{"method":"ping"}'


class Pong(msgspec.Struct, frozen=True):
    """The answer to a ping: the connection lives, whatever its streams do."""


class Acknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription was opened (or closed)."""

    method: str
    subscription: dict[str, object]


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a request that was posted over the socket; ``body`` as /exchange has it."""

    id: int
    kind: str
    body: bytes


class SocketError(msgspec.Struct, frozen=True):
    """The venue refused a message of ours, in its words."""

    text: str


class CandleSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A bar as far as it has come; it is complete when a later one appears."""

    instrument: str
    interval: str
    ts_open: int
    ts_close: int
    open: int
    high: int
    low: int
    close: int
    volume: int


class QuoteLost(msgspec.Struct, frozen=True, kw_only=True):
    """A side of the book is empty: the last quote is void."""

    instrument: str
    ts_venue: int


class MarkSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The mark price of an instrument, in price units."""

    instrument: str
    mark: int


class AccountSeen(msgspec.Struct, frozen=True, kw_only=True):
    """All positions that are not zero, and the wallet."""

    ts_event: int
    positions: tuple[VenuePosition, ...]
    balance: VenueBalance


class VenueCanceled(msgspec.Struct, frozen=True, kw_only=True):
    """The venue canceled an order on its own: margin, open interest, reduce-only and the like."""

    ts_event: int
    instrument: str
    venue_order_id: str


class Liquidated(msgspec.Struct, frozen=True, kw_only=True):
    """The account was liquidated; the fills come on their own."""

    ts_event: int
    text: str


class Unheard(msgspec.Struct, frozen=True):
    """A channel that this library does not read."""

    channel: str


Item = (
    Book | Quote | Trade | CandleSeen | QuoteLost | MarkSeen
    | OrderSeen | FillSeen | PaymentSeen | AccountSeen | VenueCanceled | Liquidated
    | Pong | Acknowledged | Posted | SocketError | Unheard
)  # fmt: skip


class _Frame(msgspec.Struct):
    channel: str
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Bbo(msgspec.Struct):
    coin: str
    time: int
    bbo: tuple[info.LevelRow | None, info.LevelRow | None]


class _Trade(msgspec.Struct):
    coin: str
    side: str
    px: str
    sz: str
    time: int


class _Context(msgspec.Struct):
    coin: str
    ctx: info.MarkRow


class _Fills(msgspec.Struct, rename="camel"):
    fills: list[info.FillRow]
    is_snapshot: bool = False


class _Fundings(msgspec.Struct, rename="camel"):
    fundings: list[info.FundingRow]
    is_snapshot: bool = False


class _CanceledRow(msgspec.Struct):
    coin: str
    oid: int


class _UserEvents(msgspec.Struct, rename="camel"):
    fills: list[info.FillRow] = []
    funding: info.FundingRow | None = None
    liquidation: msgspec.Raw = msgspec.Raw(b"")
    non_user_cancel: list[_CanceledRow] = []


class _State(msgspec.Struct, rename="camel"):
    clearinghouse_state: info.AccountRow


class _Response(msgspec.Struct):
    type: str
    payload: msgspec.Raw


class _Post(msgspec.Struct):
    id: int
    response: _Response


class Reader(msgspec.Struct, frozen=True):
    """What is needed to read a frame: the instruments, whose order a cloid is, and the account."""

    universe: Universe
    cloids: Cloids
    user: str = ""

    def read(self, frame: bytes, ts: int) -> list[Item]:
        """The values of one frame that arrived at ``ts``; raises WireFault only."""
        message: _Frame = decode(frame, _Frame)
        read = _CHANNELS.get(message.channel)
        if read is None:
            return [Unheard(message.channel)]
        return read(self, bytes(message.data), ts)


def subscribe(subscription: dict[str, object]) -> bytes:
    """The message that opens a subscription."""
    return msgspec.json.encode({"method": "subscribe", "subscription": subscription})


def unsubscribe(subscription: dict[str, object]) -> bytes:
    """The message that closes a subscription."""
    return msgspec.json.encode({"method": "unsubscribe", "subscription": subscription})


def posted(id_: int, kind: str, content: object) -> bytes:
    """A request over the socket: ``kind`` "action" with a signed payload, or "info"."""
    request = {"type": kind, "payload": content}
    return msgspec.json.encode({"method": "post", "id": id_, "request": request})


def _pong(reader: Reader, data: bytes, ts: int) -> list[Item]:
    return [Pong()]


def _acknowledged(reader: Reader, data: bytes, ts: int) -> list[Item]:
    return [decode(data, Acknowledged)]


def _post(reader: Reader, data: bytes, ts: int) -> list[Item]:
    row: _Post = decode(data, _Post)
    return [Posted(id=row.id, kind=row.response.type, body=bytes(row.response.payload))]


def _error(reader: Reader, data: bytes, ts: int) -> list[Item]:
    return [SocketError(decode(data, str))]


def _book(reader: Reader, data: bytes, ts: int) -> list[Item]:
    row: info.BookRow = decode(data, info.BookRow)
    return [info.book_of(row, reader.universe)] if info.is_ours(row.coin) else []


def _bbo(reader: Reader, data: bytes, ts: int) -> list[Item]:
    row: _Bbo = decode(data, _Bbo)
    if not info.is_ours(row.coin):
        return []
    instrument = reader.universe.of_coin(row.coin)
    time = _ns(row.time)
    bid, ask = row.bbo
    if bid is None or ask is None:
        return [QuoteLost(instrument=instrument.id, ts_venue=time)]
    prices = instrument.price_exponent
    sizes = instrument.quantity_exponent
    values = (
        units_of(bid.px, prices),
        units_of(bid.sz, sizes),
        units_of(ask.px, prices),
        units_of(ask.sz, sizes),
    )
    if min(values) <= 0:
        raise WireFault(f"{instrument.id}: a quote must be positive on both sides")
    return [Quote.of(instrument, time, *values)]


def _trades(reader: Reader, data: bytes, ts: int) -> list[Item]:
    found: list[Item] = []
    for row in decode(data, list[_Trade]):
        if not info.is_ours(row.coin):
            continue
        instrument = reader.universe.of_coin(row.coin)
        price = units_of(row.px, instrument.price_exponent)
        quantity = units_of(row.sz, instrument.quantity_exponent)
        if price <= 0 or quantity <= 0:
            raise WireFault(f"{instrument.id}: a trade must have a price and a size")
        found.append(Trade.of(instrument, _ns(row.time), price, quantity, side_of(row.side)))
    return found


def _candle(reader: Reader, data: bytes, ts: int) -> list[Item]:
    row: CandleRow = decode(data, CandleRow)
    if not info.is_ours(row.s):
        return []
    instrument = reader.universe.of_coin(row.s)
    ts_open, opened, high, low, close, volume = values_of(row, instrument)
    return [
        CandleSeen(
            instrument=instrument.id,
            interval=row.i,
            ts_open=ts_open,
            ts_close=_ns(row.T),
            open=opened,
            high=high,
            low=low,
            close=close,
            volume=volume,
        )
    ]


def _context(reader: Reader, data: bytes, ts: int) -> list[Item]:
    row: _Context = decode(data, _Context)
    if not info.is_ours(row.coin):
        return []
    instrument = reader.universe.of_coin(row.coin)
    return [MarkSeen(instrument=instrument.id, mark=info.mark_of(row.ctx, instrument))]


def _orders(reader: Reader, data: bytes, ts: int) -> list[Item]:
    return [
        OrderSeen(ts_event=ts, order=info.status_row_of(row, reader.universe, reader.cloids))
        for row in decode(data, list[info.StatusRow])
        if info.is_ours(row.order.coin)
    ]


def _fills(reader: Reader, data: bytes, ts: int) -> list[Item]:
    row: _Fills = decode(data, _Fills)
    return _fill_rows(reader, row.fills, ts)


def _fill_rows(reader: Reader, rows: list[info.FillRow], ts: int) -> list[Item]:
    return [
        FillSeen(
            ts_event=ts,
            fill=info.fill_of(row, reader.universe, reader.cloids, user=reader.user),
        )
        for row in rows
        if info.is_ours(row.coin)
    ]


def _fundings(reader: Reader, data: bytes, ts: int) -> list[Item]:
    row: _Fundings = decode(data, _Fundings)
    return [
        PaymentSeen(ts_event=ts, payment=info.funding_of(item, reader.universe))
        for item in row.fundings
        if info.is_ours(item.coin)
    ]


def _user(reader: Reader, data: bytes, ts: int) -> list[Item]:
    row: _UserEvents = decode(data, _UserEvents)
    found = _fill_rows(reader, row.fills, ts)
    if row.funding is not None and info.is_ours(row.funding.coin):
        payment = info.funding_of(row.funding, reader.universe)
        found.append(PaymentSeen(ts_event=ts, payment=payment))
    for canceled in row.non_user_cancel:
        if info.is_ours(canceled.coin):
            found.append(
                VenueCanceled(
                    ts_event=ts,
                    instrument=reader.universe.of_coin(canceled.coin).id,
                    venue_order_id=str(canceled.oid),
                )
            )
    told = bytes(row.liquidation)
    if told and told != b"null":
        found.append(Liquidated(ts_event=ts, text=told.decode("utf-8", "replace")))
    return found


def _account(reader: Reader, data: bytes, ts: int) -> list[Item]:
    state: _State = decode(data, _State)
    row = state.clearinghouse_state
    return [
        AccountSeen(
            ts_event=ts,
            positions=info.positions_of(row, reader.universe),
            balance=info.balance_of(row),
        )
    ]


def _ns(time_ms: int) -> int:
    if not 0 <= time_ms < 2**63 // NS_PER_MS:
        raise WireFault(f"time {time_ms} is no time in milliseconds")
    return time_ms * NS_PER_MS


_CHANNELS: dict[str, Callable[[Reader, bytes, int], list[Item]]] = {
    "pong": _pong,
    "subscriptionResponse": _acknowledged,
    "post": _post,
    "error": _error,
    "l2Book": _book,
    "bbo": _bbo,
    "trades": _trades,
    "candle": _candle,
    "activeAssetCtx": _context,
    "orderUpdates": _orders,
    "userFills": _fills,
    "userFundings": _fundings,
    "user": _user,
    "clearinghouseState": _account,
}
