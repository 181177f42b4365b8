"""Shapes of the stream messages, one struct per event, written by the server, read by the client.

Rules of this file. The venue's one-letter names stand beside ours. A field without a default is one
that a client of ours must have; everything else in a message is ignored.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from interlock.wire.binance.payloads import Level, Time

Count = Annotated[int, msgspec.Meta(ge=-1, le=2**63 - 1)]


def _named(name: str, default: Any = msgspec.NODEFAULT) -> Any:
    return msgspec.field(name=name, default=default)


class StreamPayload(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message; ``sent`` is the venue's time of sending, ms."""

    event: str = _named("e")
    sent: Time = _named("E")


class Head(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The parts that tell what kind of frame this is."""

    event: str = _named("e", "")
    sent: Time = _named("E", 0)
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw()
    request: msgspec.Raw = _named("id", msgspec.Raw())


class TradeEvent(StreamPayload, frozen=True, kw_only=True):
    """``trade``: one execution of others; ``is_buyer_maker`` means the seller was aggressive."""

    traded: Time = _named("T")
    symbol: str = _named("s")
    trade_id: Count = _named("t")
    price: str = _named("p")
    quantity: str = _named("q")
    kind: str = _named("X", "MARKET")
    is_buyer_maker: bool = _named("m")


class AggregateEvent(StreamPayload, frozen=True, kw_only=True):
    """``aggTrade``: executions of one order at one price."""

    symbol: str = _named("s")
    aggregate_id: Count = _named("a")
    price: str = _named("p")
    quantity: str = _named("q")
    quantity_without_retail: str = _named("nq", "0")
    first_id: Count = _named("f")
    last_id: Count = _named("l")
    traded: Time = _named("T")
    is_buyer_maker: bool = _named("m")


class TouchEvent(StreamPayload, frozen=True, kw_only=True):
    """``bookTicker``: the touch."""

    update_id: Count = _named("u")
    traded: Time = _named("T")
    symbol: str = _named("s")
    bid: str = _named("b")
    bid_quantity: str = _named("B")
    ask: str = _named("a")
    ask_quantity: str = _named("A")


class DepthEvent(StreamPayload, frozen=True, kw_only=True):
    """``depthUpdate``: levels with their quantity as it is now; 0 removes a level."""

    traded: Time = _named("T")
    symbol: str = _named("s")
    first_id: Count = _named("U")
    last_id: Count = _named("u")
    previous_id: Count = _named("pu")
    bids: tuple[Level, ...] = _named("b")
    asks: tuple[Level, ...] = _named("a")


class MarkEvent(StreamPayload, frozen=True, kw_only=True):
    """``markPriceUpdate``: mark, index, funding."""

    symbol: str = _named("s")
    mark: str = _named("p")
    index: str = _named("i", "0")
    settlement: str = _named("P", "0")
    rate: str = _named("r", "0")
    next_funding: Time = _named("T", 0)


class KlineBody(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The bar of a ``kline``; ``is_closed`` on its last frame only."""

    opened: Time = _named("t")
    closes: Time = _named("T")
    symbol: str = _named("s")
    interval: str = _named("i")
    first_id: Count = _named("f", -1)
    last_id: Count = _named("L", -1)
    open: str = _named("o")
    close: str = _named("c")
    high: str = _named("h")
    low: str = _named("l")
    volume: str = _named("v")
    count: int = _named("n", 0)
    is_closed: bool = _named("x")
    quote_volume: str = _named("q", "0")
    taker_volume: str = _named("V", "0")
    taker_quote_volume: str = _named("Q", "0")
    ignored: str = _named("B", "0")


class KlineEvent(StreamPayload, frozen=True, kw_only=True):
    """``kline``."""

    symbol: str = _named("s")
    bar: KlineBody = _named("k")


class OrderBody(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The order of an ``ORDER_TRADE_UPDATE``."""

    symbol: str = _named("s")
    client_id: str = _named("c")
    side: str = _named("S")
    type: str = _named("o")
    lifetime: str = _named("f")
    quantity: str = _named("q")
    price: str = _named("p")
    average: str = _named("ap", "0")
    trigger: str = _named("sp", "0")
    execution: str = _named("x")
    status: str = _named("X")
    order_id: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)] = _named("i")
    last_quantity: str = _named("l")
    filled: str = _named("z")
    last_price: str = _named("L")
    fee_asset: str | None | msgspec.UnsetType = _named("N", None)
    fee: str | None | msgspec.UnsetType = _named("n", None)
    traded: Time = _named("T")
    trade_id: Count = _named("t", 0)
    bid_notional: str = _named("b", "0")
    ask_notional: str = _named("a", "0")
    is_maker: bool = _named("m", False)
    reduce_only: bool = _named("R", False)
    working_type: str = _named("wt", "CONTRACT_PRICE")
    original_type: str = _named("ot", "")
    position_side: str = _named("ps", "BOTH")
    close_position: bool = _named("cp", False)
    activation: str | msgspec.UnsetType = _named("AP", msgspec.UNSET)
    callback_rate: str | msgspec.UnsetType = _named("cr", msgspec.UNSET)
    price_protect: bool = _named("pP", False)
    ignored_si: int = _named("si", 0)
    ignored_ss: int = _named("ss", 0)
    realized: str = _named("rp", "0")
    self_trade: str = _named("V", "EXPIRE_MAKER")
    price_match: str = _named("pm", "NONE")
    good_till: int = _named("gtd", 0)
    expiry_reason: str = _named("er", "0")


class OrderUpdate(StreamPayload, frozen=True, kw_only=True):
    """``ORDER_TRADE_UPDATE``."""

    traded: Time = _named("T")
    order: OrderBody = _named("o")


class BalanceBody(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A wallet of an ``ACCOUNT_UPDATE``; ``change`` leaves out profit and fees."""

    asset: str = _named("a")
    wallet: str = _named("wb")
    cross_wallet: str = _named("cw", "0")
    change: str = _named("bc", "0")


class PositionBody(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A position of an ``ACCOUNT_UPDATE``."""

    symbol: str = _named("s")
    amount: str = _named("pa")
    entry: str = _named("ep", "0")
    break_even: str = _named("bep", "0")
    realized: str = _named("cr", "0")
    unrealized: str = _named("up", "0")
    margin_type: str = _named("mt", "cross")
    isolated_wallet: str = _named("iw", "0")
    side: str = _named("ps", "BOTH")


class AccountBody(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What changed, and why."""

    cause: str = _named("m")
    balances: tuple[BalanceBody, ...] = _named("B", ())
    positions: tuple[PositionBody, ...] = _named("P", ())


class AccountUpdate(StreamPayload, frozen=True, kw_only=True):
    """``ACCOUNT_UPDATE``."""

    traded: Time = _named("T")
    account: AccountBody = _named("a")


class AlgoBody(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The conditional order of an ``ALGO_UPDATE``; ``child_id`` is the order its trigger made."""

    client_id: str = _named("caid")
    algo_id: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)] = _named("aid")
    algo_type: str = _named("at", "CONDITIONAL")
    type: str = _named("o")
    symbol: str = _named("s")
    side: str = _named("S")
    position_side: str = _named("ps", "BOTH")
    lifetime: str = _named("f", "GTC")
    quantity: str = _named("q")
    status: str = _named("X")
    child_id: str | None = _named("ai", None)
    average: str | None = _named("ap", None)
    filled: str | None = _named("aq", None)
    child_type: str | None = _named("act", None)
    trigger: str = _named("tp", "0")
    price: str = _named("p", "0")
    self_trade: str = _named("V", "EXPIRE_MAKER")
    working_type: str = _named("wt", "CONTRACT_PRICE")
    price_match: str = _named("pm", "NONE")
    close_position: bool = _named("cp", False)
    price_protect: bool = _named("pP", False)
    reduce_only: bool = _named("R", False)
    triggered: int = _named("tt", 0)
    good_till: int = _named("gtd", 0)
    reason: str | None = _named("rm", None)


class AlgoUpdate(StreamPayload, frozen=True, kw_only=True):
    """``ALGO_UPDATE``."""

    traded: Time = _named("T")
    order: AlgoBody = _named("o")
