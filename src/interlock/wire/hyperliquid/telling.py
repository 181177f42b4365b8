"""What a client's streams come to: each thing told once, in the words of the model.

Executions come on two channels, and again at every new subscription; orders come without what was
replaced in them. A stream says all from the moment that every subscription is confirmed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import msgspec

from interlock.model.events import MarkChanged
from interlock.model.instrument import Instrument
from interlock.model.market import Bar, Book, Quote, Trade, column
from interlock.model.venue import (
    BalanceSeen,
    FillSeen,
    OrderSeen,
    PaymentSeen,
    PositionSeen,
    VenuePosition,
)
from interlock.ports import Heard
from interlock.wire.hyperliquid.client import Client
from interlock.wire.hyperliquid.streams import (
    AccountSeen,
    CandleSeen,
    Item,
    Liquidated,
    MarkSeen,
    QuoteLost,
    VenueCanceled,
)

_SECOND = 1_000_000_000
_REMEMBERED = 50_000
_OF_USER = ("orderUpdates", "userFills", "userEvents", "userFundings", "clearinghouseState")

Subscription = dict[str, object]


def of_market(
    instruments: Iterable[Instrument],
    *,
    trades: bool = False,
    books: bool = False,
    bars: Iterable[str] = (),
) -> list[Subscription]:
    """The subscriptions to prices, marks and whatever else is wanted of some instruments."""
    kinds = ["bbo", "activeAssetCtx"]
    kinds += ["trades"] if trades else []
    kinds += ["l2Book"] if books else []
    found: list[Subscription] = []
    for instrument in instruments:
        coin = instrument.base
        found += [{"type": kind, "coin": coin} for kind in kinds]
        found += [{"type": "candle", "coin": coin, "interval": step} for step in bars]
    return found


def of_user(user: str) -> list[Subscription]:
    """The subscriptions to all that happens on an account."""
    return [{"type": kind, "user": user} for kind in _OF_USER]


class MarketTeller:
    """Makes events of the kernel out of market items, at the time they arrived."""

    def __init__(self, heard: Heard, client: Client) -> None:
        self._heard = heard
        self._client = client
        self._since = 0
        self._candles: dict[tuple[str, str], CandleSeen] = {}

    def begin(self, ts: int) -> None:
        """A new connection: what it repeats of the past is not told again."""
        self._since = self._client.offset.at_venue(ts) - _SECOND
        self._candles.clear()

    def take(self, item: Item, ts: int) -> None:
        """Pass on one item."""
        match item:
            case Quote():
                self._client.prices[item.instrument.id] = item.mark_units
                self._heard(item.arriving(ts))
            case Trade():
                if item.ts_event >= self._since:
                    self._heard(item.arriving(ts))
            case Book():
                self._heard(item.arriving(ts))
            case MarkSeen():
                self._client.prices[item.instrument] = item.mark
                self._heard(MarkChanged(ts, item.instrument, item.mark))
            case CandleSeen():
                self._candle(item, ts)
            case QuoteLost():
                # Nothing to tell: a quote that is not renewed grows old by itself.
                pass

    def _candle(self, item: CandleSeen, ts: int) -> None:
        """A bar is complete when the next one has begun."""
        key = (item.instrument, item.interval)
        before = self._candles.get(key)
        self._candles[key] = item
        if before is None or item.ts_open <= before.ts_open:
            return
        prices = (before.open, before.high, before.low, before.close, before.volume)
        values = tuple(map(column, (before.ts_open, *prices)))
        # The venue names a bar's last millisecond.
        step = -(-(before.ts_close - before.ts_open) // _SECOND) * _SECOND
        instrument = self._client.reader.universe.of_id(before.instrument)
        self._heard(Bar(instrument, values, 0, step).arriving(ts))


class UserTeller:
    """Tells each execution and payment once, and positions that are gone as zero.

    What happened before ``ts``, when the account was connected, is for questions to tell.
    """

    def __init__(self, heard: Heard, client: Client, *, ts: int) -> None:
        self._heard = heard
        self._known = client.known
        self._since = client.offset.at_venue(ts) - _SECOND
        self._told: OrderedDict[object, None] = OrderedDict()
        self._held: dict[str, None] = {}

    def take(self, item: Item, ts: int) -> None:
        """Pass on one item."""
        match item:
            case OrderSeen():
                whole = self._known.whole(item.order)
                if whole is not None:
                    self._heard(msgspec.structs.replace(item, order=whole))
            case FillSeen():
                name = (item.fill.instrument, item.fill.trade_id)
                if item.fill.ts_venue >= self._since and self._is_new(name):
                    self._heard(item)
                    self._known.fill(item.fill)
            case PaymentSeen():
                payment = item.payment
                if payment.ts_venue >= self._since and self._is_new(payment.payment_id):
                    self._heard(item)
            case AccountSeen():
                self._account(item, ts)
            case VenueCanceled() | Liquidated():
                # The order's own update and the executions say the same.
                pass

    def _account(self, item: AccountSeen, ts: int) -> None:
        present = {position.instrument: position for position in item.positions}
        for name in self._held:
            present.setdefault(name, VenuePosition(instrument=name, quantity=0))
        for position in present.values():
            self._heard(PositionSeen(ts_event=ts, position=position))
        self._held = {name: None for name, held in present.items() if held.quantity}
        self._heard(BalanceSeen(ts_event=ts, balance=item.balance))

    def _is_new(self, name: object) -> bool:
        if name in self._told:
            return False
        self._told[name] = None
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return True
