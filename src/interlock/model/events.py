"""Events: what happened outside, as it enters the kernel. Past tense, frozen.

Market events are the cursors of ``market``; everything else is here.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from interlock.model.market import Bar, Book, Quote, Trade
from interlock.model.order import Change


class Report(msgspec.Struct, frozen=True, array_like=True, tag=True, tag_field="event", gc=False):
    """What a venue says about one order."""

    ts_event: int
    client_order_id: str

    change: ClassVar[Change]


class OrderAccepted(Report, frozen=True, array_like=True, tag="accepted", gc=False):
    """The order rests or works at the venue."""

    change: ClassVar[Change] = Change.ACCEPT


class OrderRejected(Report, frozen=True, array_like=True, tag="rejected", gc=False):
    """The venue refused this attempt."""

    reason: str

    change: ClassVar[Change] = Change.REJECT


class OrderDoubted(Report, frozen=True, array_like=True, tag="doubted", gc=False):
    """An attempt whose answer is ambiguous: the order may or may not be at the venue."""

    reason: str

    change: ClassVar[Change] = Change.DOUBT


class OrderTriggered(Report, frozen=True, array_like=True, tag="triggered", gc=False):
    """A stop, take-profit or trailing order met its trigger."""

    change: ClassVar[Change] = Change.TRIGGER


class OrderCanceled(Report, frozen=True, array_like=True, tag="canceled", gc=False):
    """The order no longer rests."""

    reason: str = ""

    change: ClassVar[Change] = Change.CANCEL


class OrderExpired(Report, frozen=True, array_like=True, tag="expired", gc=False):
    """The order's time in force ended."""

    reason: str = ""

    change: ClassVar[Change] = Change.EXPIRE


class OrderUpdated(Report, frozen=True, array_like=True, tag="updated", gc=False):
    """An amendment took effect: total quantity, price and trigger as they are now."""

    quantity: int
    price: int
    trigger: int

    change: ClassVar[Change] = Change.UPDATE


class UpdateRejected(Report, frozen=True, array_like=True, tag="update_rejected", gc=False):
    """An amendment was refused; the order stands as it was."""

    reason: str

    change: ClassVar[Change] = Change.UPDATE_REJECT


class CancelRejected(Report, frozen=True, array_like=True, tag="cancel_rejected", gc=False):
    """A cancel was refused; the order stands or is already over."""

    reason: str

    change: ClassVar[Change] = Change.CANCEL_REJECT


class OrderFilled(Report, frozen=True, array_like=True, tag="filled", gc=False):
    """One execution. ``fee`` is in ``fee_units`` of ``fee_asset``: money, or base quantity units.

    ``reference`` is the price the order would have met without slippage, for cost analysis.
    """

    trade_id: int
    price: int
    quantity: int
    fee: int
    fee_asset: str
    is_maker: bool
    reference: int

    change: ClassVar[Change] = Change.FILL_PART


class FundingPaid(msgspec.Struct, frozen=True, array_like=True, tag="funding", gc=False):
    """Funding on the account's position: ``amount`` money received (negative: paid)."""

    ts_event: int
    instrument: str
    rate: int
    mark: int
    amount: int


class BorrowPaid(msgspec.Struct, frozen=True, array_like=True, tag="borrow", gc=False):
    """Cost of a borrowed position: ``amount`` money received (negative: paid)."""

    ts_event: int
    instrument: str
    amount: int


class PositionLiquidated(msgspec.Struct, frozen=True, array_like=True, tag="liquidated", gc=False):
    """The venue closed a position by force; ``fee`` money, quantity signed as the position was."""

    ts_event: int
    instrument: str
    quantity: int
    price: int
    fee: int


class ExternalTraded(msgspec.Struct, frozen=True, array_like=True, tag="external", gc=False):
    """The account's position changed by something that no own order explains.

    ``quantity`` is signed, ``fee`` money of ``fee_asset``. ``owner`` is the strategy whose book
    takes it; "external" is the bucket for what nobody here asked for. A ``cause`` of "liquidation"
    or "adl" closes the strategies that hold the position, in proportion.
    """

    ts_event: int
    instrument: str
    quantity: int
    price: int
    fee: int
    fee_asset: str
    owner: str
    cause: str


class CashMoved(msgspec.Struct, frozen=True, array_like=True, tag="cash", gc=False):
    """Money came or went without a trade: ``amount`` money of ``asset``, negative when it went.

    With an ``instrument`` it moved between the wallet and the cost of the open position there:
    the venue released another part of the cost, because it saw the executions in another order.
    """

    ts_event: int
    asset: str
    amount: int
    cause: str
    instrument: str = ""


class ExitDue(msgspec.Struct, frozen=True, array_like=True, tag="exit_due", gc=False):
    """A position must be protected or left: a reduce-only order is due for a strategy.

    ``price`` 0 is a market order, ``trigger`` above 0 a stop; with both, a stop-limit order.
    """

    ts_event: int
    strategy: str
    instrument: str
    quantity: int
    price: int = 0
    trigger: int = 0
    tag: str = "protect"


class CorporateAction(msgspec.Struct, frozen=True, array_like=True, tag="corporate", gc=False):
    """A split (new shares per old = numerator/denominator) and a cash dividend per old share."""

    ts_event: int
    instrument: str
    numerator: int = 1
    denominator: int = 1
    dividend: int = 0


class TimerFired(msgspec.Struct, frozen=True, array_like=True, tag="timer", gc=False):
    """A timer the strategy set has come due."""

    ts_event: int
    strategy: str
    name: str


class MarkChanged(msgspec.Struct, frozen=True, array_like=True, tag="mark", gc=False):
    """The venue's mark price, used for margin instead of the last price."""

    ts_event: int
    instrument: str
    price: int


class Started(msgspec.Struct, frozen=True, array_like=True, tag="started", gc=False):
    """The run begins; strategies get ``on_start``."""

    ts_event: int


class Stopped(msgspec.Struct, frozen=True, array_like=True, tag="stopped", gc=False):
    """The run ends; strategies get ``on_stop``."""

    ts_event: int


class BarsClosed:
    """All bars that share one close time: they arrive together, then strategies decide."""

    __slots__ = ("bars", "ts_event")

    def __init__(self, ts_event: int, bars: tuple[Bar, ...]) -> None:
        self.ts_event = ts_event
        self.bars = bars

    def arriving(self, ts: int) -> BarsClosed:
        """The same bars as they reach us later, at ``ts``."""
        return BarsClosed(ts, tuple(bar.arriving(ts) for bar in self.bars))


# Open time and the five values of a bar, in units.
BarRow = tuple[int, int, int, int, int, int]


class PastBars(msgspec.Struct, frozen=True, array_like=True, tag="past_bars", gc=False):
    """Closed bars of before the first one that is heard, oldest first.

    Strategies look back on them; nobody decides on them. A row is the open time in ns, then open,
    high, low, close and volume in units.
    """

    ts_event: int
    instrument: str
    step_ns: int
    rows: tuple[BarRow, ...]


MarketEvent = Bar | Quote | Trade | Book | BarsClosed
AccountEvent = (
    FundingPaid
    | BorrowPaid
    | PositionLiquidated
    | CorporateAction
    | MarkChanged
    | ExternalTraded
    | CashMoved
)
Event = MarketEvent | PastBars | Report | AccountEvent | TimerFired | ExitDue | Started | Stopped
