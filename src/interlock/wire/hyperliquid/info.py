"""Answers of /info as values of the model.

Spot pairs and markets of other deployers (``@107``, ``PURR/USDC``, ``xyz:ABC``) share the account's
lists; they are not ours to trade and are passed over. A plain coin that is not in the list of
perpetuals is an error: the list is old.
"""

from __future__ import annotations

import msgspec

from interlock.model.instrument import Instrument
from interlock.model.market import Book
from interlock.model.order import LIMIT_TYPES, OrderStatus
from interlock.model.venue import (
    Payment,
    VenueBalance,
    VenueFill,
    VenueOrder,
    VenuePosition,
)
from interlock.wire.hyperliquid.cloids import Cloids
from interlock.wire.hyperliquid.instruments import QUOTE, Universe
from interlock.wire.hyperliquid.statuses import status_of, time_in_force_of, type_of
from interlock.wire.hyperliquid.text import (
    NS_PER_MS,
    WireFault,
    decode,
    money_of,
    nearest_units_of,
    side_of,
    units_of,
)

# What the venue says an execution did when it closed a position by its ranking.
DELEVERAGING = "Auto-Deleveraging"
_FOREIGN_MARKS = ("@", "/", ":")


class OrderRow(msgspec.Struct, rename="camel"):
    """An order in the venue's short or long form."""

    coin: str
    side: str
    limit_px: str
    sz: str
    oid: int
    timestamp: int
    orig_sz: str
    cloid: str | None = None
    is_trigger: bool = False
    trigger_px: str = "0.0"
    order_type: str = "Limit"
    reduce_only: bool = False
    tif: str | None = None


class StatusRow(msgspec.Struct, rename="camel"):
    """An order with its state."""

    order: OrderRow
    status: str
    status_timestamp: int


class Forced(msgspec.Struct, rename="camel"):
    """Whose position an execution liquidated."""

    liquidated_user: str | None = None


class FillRow(msgspec.Struct, rename="camel"):
    """An execution. ``dir`` says in words what it did to the position."""

    coin: str
    px: str
    sz: str
    side: str
    time: int
    oid: int
    crossed: bool
    fee: str
    tid: int
    fee_token: str = QUOTE
    cloid: str | None = None
    dir: str = ""
    liquidation: Forced | None = None


class FundingRow(msgspec.Struct, rename="camel"):
    """What was paid for funding, in the form of the user's stream."""

    time: int
    coin: str
    usdc: str


class LevelRow(msgspec.Struct):
    """One level of a book."""

    px: str
    sz: str
    n: int = 0


class BookRow(msgspec.Struct):
    """A whole book."""

    coin: str
    time: int
    levels: tuple[list[LevelRow], list[LevelRow]]


class MarkRow(msgspec.Struct, rename="camel"):
    """What is known of a perpetual: the mark price, among much else."""

    mark_px: str


class AccountRow(msgspec.Struct, rename="camel"):
    """Positions and margin of an account."""

    asset_positions: list[_PositionEntry]
    margin_summary: _Margin
    withdrawable: str
    time: int = 0


class _Margin(msgspec.Struct, rename="camel"):
    account_value: str


class _Position(msgspec.Struct, rename="camel"):
    coin: str
    szi: str
    unrealized_pnl: str
    entry_px: str | None = None
    liquidation_px: str | None = None


class _PositionEntry(msgspec.Struct):
    position: _Position


class _Found(msgspec.Struct, tag_field="status", tag="order"):
    order: StatusRow


class _NotFound(msgspec.Struct, tag_field="status", tag="unknownOid"):
    pass


class _Delta(msgspec.Struct, rename="camel"):
    type: str
    coin: str = ""
    usdc: str = "0"


class _Update(msgspec.Struct, rename="camel"):
    time: int
    delta: _Delta


class _Moved(msgspec.Struct, rename="camel"):
    type: str
    usdc: str = "0"
    fee: str = "0"
    to_perp: bool = False
    user: str = ""
    destination: str = ""


class _Transfer(msgspec.Struct):
    time: int
    hash: str
    delta: _Moved


class _Status(msgspec.Struct):
    time: int


def is_ours(coin: str) -> bool:
    """Whether a coin belongs to the venue's own list of perpetuals."""
    return not any(mark in coin for mark in _FOREIGN_MARKS)


def order_of(row: OrderRow, universe: Universe, cloids: Cloids) -> VenueOrder:
    """An order that is open."""
    return _order(row, "open", row.timestamp, universe=universe, cloids=cloids)


def status_row_of(row: StatusRow, universe: Universe, cloids: Cloids) -> VenueOrder:
    """An order with its state."""
    return _order(row.order, row.status, row.status_timestamp, universe=universe, cloids=cloids)


def fill_of(row: FillRow, universe: Universe, cloids: Cloids, *, user: str = "") -> VenueFill:
    """An execution; one without a price or a quantity is refused.

    What closed the position of ``user`` by force has a name that says so.
    """
    instrument = universe.of_coin(row.coin)
    price, quantity = _positive(row.px, row.sz, instrument)
    return VenueFill(
        instrument=instrument.id,
        trade_id=row.tid,
        client_order_id=cloids.original(row.cloid) or _forced(row, user),
        venue_order_id=str(row.oid),
        side=side_of(row.side),
        price=price,
        quantity=quantity,
        fee=money_of(row.fee),
        fee_asset=row.fee_token,
        is_maker=not row.crossed,
        ts_venue=_ns(row.time),
    )


def _forced(row: FillRow, user: str) -> str:
    """The name of what the venue did to a position by itself, or an empty text."""
    if row.dir == DELEVERAGING:
        return f"adl_autoclose-{row.oid}"
    liquidated = row.liquidation.liquidated_user if row.liquidation is not None else None
    is_ours = liquidated is not None and liquidated.lower() == user.lower()
    return f"liquidation-{row.oid}" if is_ours else ""


def funding_of(row: FundingRow, universe: Universe) -> Payment:
    """A funding payment. The venue numbers none: coin and hour name it."""
    return Payment(
        kind="funding",
        instrument=universe.of_coin(row.coin).id,
        asset=QUOTE,
        amount=money_of(row.usdc),
        payment_id=f"funding:{row.coin}:{row.time}",
        ts_venue=_ns(row.time),
    )


def book_of(row: BookRow, universe: Universe) -> Book:
    """A whole book, as an event at the venue's time."""
    instrument = universe.of_coin(row.coin)
    sides: list[int] = []
    prices: list[int] = []
    quantities: list[int] = []
    for side, levels in zip((1, -1), row.levels, strict=True):
        for level in levels:
            price, quantity = _positive(level.px, level.sz, instrument)
            sides.append(side)
            prices.append(price)
            quantities.append(quantity)
    book = Book(instrument)
    book.update((sides, prices, quantities))
    book.ts_event = _ns(row.time)
    return book


def positions_of(row: AccountRow, universe: Universe) -> tuple[VenuePosition, ...]:
    """The positions of an account that are not zero."""
    found = []
    for entry in row.asset_positions:
        position = entry.position
        if not is_ours(position.coin):
            continue
        instrument = universe.of_coin(position.coin)
        found.append(
            VenuePosition(
                instrument=instrument.id,
                quantity=units_of(position.szi, instrument.quantity_exponent),
                entry=position.entry_px or "",
                liquidation=position.liquidation_px or "",
                ts_venue=_ns(row.time),
            )
        )
    return tuple(found)


def balance_of(row: AccountRow) -> VenueBalance:
    """The wallet: the account's value without the open profit of its positions."""
    open_profit = sum(money_of(entry.position.unrealized_pnl) for entry in row.asset_positions)
    return VenueBalance(
        asset=QUOTE,
        wallet=money_of(row.margin_summary.account_value) - open_profit,
        available=money_of(row.withdrawable),
    )


def read_order_status(body: bytes, universe: Universe, cloids: Cloids) -> VenueOrder | None:
    """The answer to ``orderStatus``; None when the venue does not know the id."""
    row = decode(body, _Found | _NotFound)
    return status_row_of(row.order, universe, cloids) if isinstance(row, _Found) else None


def read_open_orders(body: bytes, universe: Universe, cloids: Cloids) -> tuple[VenueOrder, ...]:
    """The answer to ``openOrders`` or ``frontendOpenOrders``."""
    rows = decode(body, list[OrderRow])
    return tuple(order_of(row, universe, cloids) for row in rows if is_ours(row.coin))


def read_fills(
    body: bytes, universe: Universe, cloids: Cloids, *, user: str = ""
) -> tuple[VenueFill, ...]:
    """The answer to ``userFills`` or ``userFillsByTime``, oldest first."""
    rows = decode(body, list[FillRow])
    fills = [fill_of(row, universe, cloids, user=user) for row in rows if is_ours(row.coin)]
    return tuple(sorted(fills, key=lambda fill: (fill.ts_venue, fill.trade_id)))


def read_account(body: bytes) -> AccountRow:
    """The answer to ``clearinghouseState``."""
    row: AccountRow = decode(body, AccountRow)
    return row


def time_of(row: AccountRow) -> int:
    """When the venue wrote an account's state, ns; 0 where it did not say."""
    return _ns(row.time)


def read_fundings(body: bytes, universe: Universe) -> tuple[Payment, ...]:
    """The answer to ``userFunding``, oldest first."""
    rows = decode(body, list[_Update])
    payments = [
        funding_of(FundingRow(row.time, row.delta.coin, row.delta.usdc), universe)
        for row in rows
        if row.delta.type == "funding" and is_ours(row.delta.coin)
    ]
    return tuple(sorted(payments, key=lambda payment: (payment.ts_venue, payment.payment_id)))


def read_transfers(body: bytes, user: str) -> tuple[Payment, ...]:
    """The answer to ``userNonFundingLedgerUpdates``, oldest first: what moved a user's USDC."""
    payments = [
        Payment(
            kind="transfer",
            instrument="",
            asset=QUOTE,
            amount=amount,
            payment_id=f"{row.delta.type}:{row.hash}",
            ts_venue=_ns(row.time),
        )
        for row in decode(body, list[_Transfer])
        if (amount := _moved(row.delta, user))
    ]
    return tuple(sorted(payments, key=lambda payment: (payment.ts_venue, payment.payment_id)))


def _moved(delta: _Moved, user: str) -> int:
    """By how much a line of the ledger moved the wallet, money; 0 for one that is not about it."""
    amount, fee = money_of(delta.usdc), money_of(delta.fee)
    if delta.type == "accountClassTransfer":
        return amount if delta.to_perp else -amount
    if delta.type in ("internalTransfer", "subAccountTransfer"):
        return amount if delta.destination.lower() == user.lower() else -amount - fee
    return {"deposit": amount, "withdraw": -amount - fee}.get(delta.type, 0)


def read_book(body: bytes, universe: Universe) -> Book:
    """The answer to ``l2Book``."""
    return book_of(decode(body, BookRow), universe)


def middle_of(book: Book) -> int:
    """The middle of the touch in price units: what a stream is measured against."""
    if not book.bid_units or not book.ask_units:
        raise WireFault(f"the book of {book.instrument.id} has an empty side")
    return (book.bid_units + book.ask_units) // 2


def mark_of(row: MarkRow, instrument: Instrument) -> int:
    """The mark price in price units, rounded half to even."""
    mark = nearest_units_of(row.mark_px, instrument.price_exponent)
    if mark <= 0:
        raise WireFault(f"{instrument.id}: mark price {row.mark_px} must be positive")
    return mark


def read_marks(body: bytes, universe: Universe) -> dict[str, int]:
    """Mark prices by instrument, of the answer to ``metaAndAssetCtxs``."""
    rows = decode(body, tuple[msgspec.Raw, list[MarkRow]])[1]
    if len(rows) != len(universe.instruments):
        raise WireFault(f"{len(rows)} marks of {len(universe.instruments)} perpetuals")
    pairs = zip(universe.instruments, rows, strict=True)
    return {item.id: mark_of(row, item) for item, row in pairs}


def read_time(body: bytes) -> int:
    """The answer to ``exchangeStatus``: the venue's time, ns."""
    row: _Status = decode(body, _Status)
    return _ns(row.time)


def _order(
    row: OrderRow, word: str, time: int, *, universe: Universe, cloids: Cloids
) -> VenueOrder:
    instrument = universe.of_coin(row.coin)
    quantity = units_of(row.orig_sz, instrument.quantity_exponent)
    filled = quantity - units_of(row.sz, instrument.quantity_exponent)
    if not 0 <= filled <= quantity:
        raise WireFault(f"order {row.oid}: size {row.sz} left of {row.orig_sz}")
    status = status_of(word, filled=filled)
    if status is OrderStatus.FILLED and filled < quantity:
        # An immediate order that traded in part: what was left of it is gone.
        status = OrderStatus.CANCELED
    kind = type_of(row.order_type)
    return VenueOrder(
        instrument=instrument.id,
        client_order_id=cloids.original(row.cloid),
        venue_order_id=str(row.oid),
        side=side_of(row.side),
        type=kind,
        status=status,
        quantity=quantity,
        filled=filled,
        price=_price(row.limit_px, instrument) if kind in LIMIT_TYPES else 0,
        trigger=_price(row.trigger_px, instrument) if row.is_trigger else 0,
        time_in_force=time_in_force_of(row.tif),
        reduce_only=row.reduce_only,
        reason="" if word == "open" else word,
        ts_venue=_ns(time),
    )


def _price(text: str, instrument: Instrument) -> int:
    price = units_of(text, instrument.price_exponent)
    if price < 0:
        raise WireFault(f"{instrument.id}: price {text} is below zero")
    return price


def _positive(price_text: str, quantity_text: str, instrument: Instrument) -> tuple[int, int]:
    price = units_of(price_text, instrument.price_exponent)
    quantity = units_of(quantity_text, instrument.quantity_exponent)
    if price <= 0 or quantity <= 0:
        raise WireFault(
            f"{instrument.id}: price {price_text} and size {quantity_text} must be positive"
        )
    return price, quantity


# Later than this no clock of ours can go.
_TIME_MAX_MS = 2**63 // NS_PER_MS


def _ns(time_ms: int) -> int:
    if not 0 <= time_ms < _TIME_MAX_MS:
        raise WireFault(f"time {time_ms} is no time in milliseconds")
    return time_ms * NS_PER_MS
