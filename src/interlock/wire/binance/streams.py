"""Frames of the market and user streams as events of the model.

A frame of a kind that is not known is counted and ignored; a frame of a known kind that does not
fit its shape is a WireFault. Events of a triggered order are told under the client id of the
conditional order that made it; when the link arrives late, they are told again under that id
(a fill counts once, by its trade id).
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable

import msgspec

from interlock.model.market import Bar, Quote, Trade, column
from interlock.model.units import FUNDING_SCALE
from interlock.model.venue import (
    BalanceSeen,
    FillSeen,
    OrderSeen,
    PositionSeen,
    VenueBalance,
    VenueFill,
    VenueOrder,
    VenuePosition,
)
from interlock.wire.binance import events as shapes
from interlock.wire.binance.books import DepthDiff, level_rows
from interlock.wire.binance.fault import WireFault, decoder, ratio, units
from interlock.wire.binance.reading import (
    Links,
    as_parent,
    check_filled,
    forced_reason,
    money,
    positive,
    price_units,
    quantity_units,
)
from interlock.wire.binance.terms import (
    ALGO_STATUSES,
    LIFETIMES,
    MILLISECOND,
    SIDES,
    STATUSES,
    TYPES,
    Listing,
    meaning,
)

INTERVALS_NS = {
    f"{count}{unit}": count * seconds * 10**9
    for unit, seconds, counts in (
        ("s", 1, (1,)),
        ("m", 60, (1, 3, 5, 15, 30)),
        ("h", 3_600, (1, 2, 4, 6, 8, 12)),
        ("d", 86_400, (1, 3)),
        ("w", 604_800, (1,)),
    )
    for count in counts
}
_REMEMBERED = 512


class MarkSeen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Mark and index in price units, rounded half to even; the next funding's rate, 1e-10."""

    ts_event: int
    instrument: str
    mark: int
    index: int
    funding_rate: int
    next_funding_ts: int


class UserStreamEnded(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The listen key has expired: nothing more comes on this socket."""

    ts_event: int


Said = (
    Quote
    | Trade
    | Bar
    | DepthDiff
    | MarkSeen
    | OrderSeen
    | FillSeen
    | BalanceSeen
    | PositionSeen
    | UserStreamEnded
)


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What one frame said, and when the venue sent it (0: it did not say)."""

    kind: str
    said: tuple[Said, ...] = ()
    ts_venue: int = 0


_read_head = decoder(shapes.Head)
_read_trade = decoder(shapes.TradeEvent)
_read_aggregate = decoder(shapes.AggregateEvent)
_read_touch = decoder(shapes.TouchEvent)
_read_depth = decoder(shapes.DepthEvent)
_read_mark = decoder(shapes.MarkEvent)
_read_kline = decoder(shapes.KlineEvent)
_read_order = decoder(shapes.OrderUpdate)
_read_account = decoder(shapes.AccountUpdate)
_read_algo = decoder(shapes.AlgoUpdate)

# Known and without meaning for us: what they tell comes by another event too.
SILENT = frozenset(
    {
        "TRADE_LITE",
        "ACCOUNT_CONFIG_UPDATE",
        "MARGIN_CALL",
        "STRATEGY_UPDATE",
        "GRID_UPDATE",
        "CONDITIONAL_ORDER_TRIGGER_REJECT",
        "24hrTicker",
        "24hrMiniTicker",
        "forceOrder",
        "contractInfo",
    }
)


class StreamReader:
    """Reads frames of one account's sockets. ``unknown`` counts kinds that it does not know."""

    __slots__ = ("_children", "_links", "_listing", "_readers", "unknown")

    def __init__(self, listing: Listing, links: Links | None = None) -> None:
        self._listing = listing
        self._links = links or Links()
        self._children: OrderedDict[str, list[OrderSeen | FillSeen]] = OrderedDict()
        self.unknown: Counter[str] = Counter()
        self._readers: dict[str, Callable[[bytes, int], tuple[Said, ...]]] = {
            "trade": self._trade,
            "aggTrade": self._aggregate,
            "bookTicker": self._touch,
            "depthUpdate": self._depth,
            "markPriceUpdate": self._mark,
            "kline": self._kline,
            "ORDER_TRADE_UPDATE": self._order,
            "ACCOUNT_UPDATE": self._account,
            "ALGO_UPDATE": self._algo,
            "listenKeyExpired": lambda _, ts: (UserStreamEnded(ts_event=ts),),
        }

    def read(self, frame: bytes, *, ts: int) -> Frame:
        """What a frame says; ``ts`` is when it came, and the time of its events."""
        head = _read_head(frame)
        inner = bytes(head.data)
        if inner:
            frame = inner
            head = _read_head(frame)
        kind = head.event
        ts_venue = head.sent * MILLISECOND
        reader = self._readers.get(kind)
        if reader is not None:
            return Frame(kind=kind, said=reader(frame, ts), ts_venue=ts_venue)
        if not kind:
            return Frame(kind="reply" if bytes(head.request) else "")
        if kind not in SILENT:
            self.unknown[kind[:40]] += 1
        return Frame(kind=kind, ts_venue=ts_venue)

    def _trade(self, frame: bytes, ts: int) -> tuple[Said, ...]:
        read = _read_trade(frame)
        return self._print(read, ts)

    def _aggregate(self, frame: bytes, ts: int) -> tuple[Said, ...]:
        read = _read_aggregate(frame)
        return self._print(read, ts)

    def _print(self, read: shapes.TradeEvent | shapes.AggregateEvent, ts: int) -> tuple[Said, ...]:
        instrument = self._listing.by_symbol(read.symbol)
        price = positive(price_units(read.price, instrument, "p"), "p")
        quantity = positive(quantity_units(read.quantity, instrument, "q"), "q")
        return (Trade.of(instrument, ts, price, quantity, -1 if read.is_buyer_maker else 1),)

    def _touch(self, frame: bytes, ts: int) -> tuple[Said, ...]:
        read = _read_touch(frame)
        instrument = self._listing.by_symbol(read.symbol)
        bid, ask = price_units(read.bid, instrument, "b"), price_units(read.ask, instrument, "a")
        if bid and ask and bid >= ask:
            raise WireFault(f"the touch of {read.symbol} is crossed: {read.bid} / {read.ask}")
        bid_quantity = quantity_units(read.bid_quantity, instrument, "B")
        ask_quantity = quantity_units(read.ask_quantity, instrument, "A")
        return (Quote.of(instrument, ts, bid, bid_quantity, ask, ask_quantity),)

    def _depth(self, frame: bytes, ts: int) -> tuple[Said, ...]:
        read = _read_depth(frame)
        instrument = self._listing.by_symbol(read.symbol)
        sides, prices, quantities = level_rows(read.bids, read.asks, instrument)
        return (
            DepthDiff(
                instrument=instrument.id,
                first_id=read.first_id,
                last_id=read.last_id,
                previous_id=read.previous_id,
                sides=sides,
                prices=prices,
                quantities=quantities,
                ts_venue=read.traded * MILLISECOND,
            ),
        )

    def _mark(self, frame: bytes, ts: int) -> tuple[Said, ...]:
        read = _read_mark(frame)
        instrument = self._listing.by_symbol(read.symbol)
        scale = 10**instrument.price_exponent
        return (
            MarkSeen(
                ts_event=ts,
                instrument=instrument.id,
                mark=positive(ratio(read.mark, scale, "p"), "p"),
                index=ratio(read.index, scale, "i"),
                funding_rate=ratio(read.rate, FUNDING_SCALE, "r") if read.rate else 0,
                next_funding_ts=read.next_funding * MILLISECOND,
            ),
        )

    def _kline(self, frame: bytes, ts: int) -> tuple[Said, ...]:
        bar = _read_kline(frame).bar
        instrument = self._listing.by_symbol(bar.symbol)
        step = meaning(INTERVALS_NS, bar.interval, "interval")
        prices = [
            positive(price_units(text, instrument, "bar"), "bar")
            for text in (bar.open, bar.high, bar.low, bar.close)
        ]
        volume = quantity_units(bar.volume, instrument, "v")
        if not (prices[2] <= min(prices) and prices[1] >= max(prices)):
            raise WireFault(f"bar of {bar.symbol} is not within its high and low: {prices}")
        if not bar.is_closed:
            return ()
        values = (bar.opened * MILLISECOND, *prices, volume)
        return (Bar(instrument, tuple(map(column, values)), 0, step).arriving(ts),)

    def _order(self, frame: bytes, ts: int) -> tuple[Said, ...]:
        update = _read_order(frame)
        body = update.order
        said = self._order_events(body, ts)
        child = str(body.order_id)
        if self._links.parent(child) is None:
            # Kept in case a conditional order turns out to have made it.
            self._children.setdefault(child, []).extend(said)
            if len(self._children) > _REMEMBERED:
                self._children.popitem(last=False)
        return tuple(said)

    def _order_events(self, body: shapes.OrderBody, ts: int) -> list[OrderSeen | FillSeen]:
        instrument = self._listing.by_symbol(body.symbol)
        status = meaning(STATUSES, body.status, "X")
        quantity = quantity_units(body.quantity, instrument, "q")
        filled = quantity_units(body.filled, instrument, "z")
        check_filled(status, quantity, filled)
        side = meaning(SIDES, body.side, "S")
        parent = self._links.parent(str(body.order_id))
        order = VenueOrder(
            instrument=instrument.id,
            client_order_id=body.client_id,
            venue_order_id=str(body.order_id),
            side=side,
            type=meaning(TYPES, body.original_type or body.type, "o"),
            status=status,
            quantity=quantity,
            filled=filled,
            price=price_units(body.price, instrument, "p"),
            trigger=price_units(body.trigger, instrument, "sp"),
            time_in_force=meaning(LIFETIMES, body.lifetime, "f"),
            reduce_only=body.reduce_only,
            reason=forced_reason(body.client_id)
            or ("" if body.expiry_reason == "0" else f"expiry reason {body.expiry_reason[:20]}"),
            ts_venue=body.traded * MILLISECOND,
        )
        said: list[OrderSeen | FillSeen] = [OrderSeen(ts_event=ts, order=order)]
        if body.execution in ("TRADE", "CALCULATED"):
            last = quantity_units(body.last_quantity, instrument, "l")
            price = price_units(body.last_price, instrument, "L")
            fill = VenueFill(
                instrument=instrument.id,
                trade_id=positive(body.trade_id, "t"),
                client_order_id=body.client_id,
                venue_order_id=str(body.order_id),
                side=side,
                price=positive(price, "L"),
                quantity=positive(last, "l"),
                fee=money(body.fee, "n") if body.fee else 0,
                fee_asset=body.fee_asset or "",
                is_maker=body.is_maker,
                ts_venue=body.traded * MILLISECOND,
            )
            # The execution before the state that it led to.
            said.insert(0, FillSeen(ts_event=ts, fill=fill))
        return [_adopted(item, parent) for item in said] if parent else said

    def _account(self, frame: bytes, ts: int) -> tuple[Said, ...]:
        update = _read_account(frame)
        body = update.account
        said: list[Said] = []
        for row in body.balances:
            wallet = money(row.wallet, "wb")
            balance = VenueBalance(asset=row.asset, wallet=wallet)
            said.append(BalanceSeen(ts_event=ts, balance=balance, cause=body.cause))
        for held in body.positions:
            if held.side != "BOTH":
                raise WireFault(f"a position of side {held.side}: the account is not one-way")
            instrument = self._listing.by_symbol(held.symbol)
            position = VenuePosition(
                instrument=instrument.id,
                quantity=units(held.amount, instrument.quantity_exponent, "pa"),
                entry=held.entry,
                ts_venue=update.traded * MILLISECOND,
            )
            said.append(PositionSeen(ts_event=ts, position=position))
        return tuple(said)

    def _algo(self, frame: bytes, ts: int) -> tuple[Said, ...]:
        update = _read_algo(frame)
        body = update.order
        instrument = self._listing.by_symbol(body.symbol)
        order = VenueOrder(
            instrument=instrument.id,
            client_order_id=body.client_id,
            venue_order_id=body.child_id or str(body.algo_id),
            side=meaning(SIDES, body.side, "S"),
            type=meaning(TYPES, body.type, "o"),
            status=meaning(ALGO_STATUSES, body.status, "X"),
            quantity=quantity_units(body.quantity, instrument, "q"),
            filled=quantity_units(body.filled or "0", instrument, "aq"),
            price=price_units(body.price, instrument, "p"),
            trigger=price_units(body.trigger, instrument, "tp"),
            time_in_force=meaning(LIFETIMES, body.lifetime, "f"),
            reduce_only=body.reduce_only,
            reason=(body.reason or "")[:200],
            ts_venue=update.traded * MILLISECOND,
        )
        said: list[Said] = [OrderSeen(ts_event=ts, order=order)]
        if body.child_id:
            self._links.learn(body.child_id, order)
            early = self._children.pop(body.child_id, [])
            said += [_adopted(item, order) for item in early]
        return tuple(said)


def _adopted(item: OrderSeen | FillSeen, parent: VenueOrder) -> OrderSeen | FillSeen:
    """The same event under the client id, type and trigger of the conditional order."""
    name = parent.client_order_id
    if isinstance(item, FillSeen):
        return FillSeen(
            ts_event=item.ts_event, fill=msgspec.structs.replace(item.fill, client_order_id=name)
        )
    return OrderSeen(ts_event=item.ts_event, order=as_parent(item.order, parent))
