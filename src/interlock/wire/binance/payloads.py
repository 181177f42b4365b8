"""Shapes of the REST bodies, one struct per object, written by the server and read by the client.

Rules of this file. Field names are the venue's in snake case; numbers are decimal text except ids,
times and counts. A field without a default is one that a client of ours must have; everything the
venue sends beyond these fields is ignored.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

Id = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Time = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Level = tuple[str, str]


class Payload(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A JSON object with names in camel case."""


class ErrorPayload(Payload, frozen=True, kw_only=True):
    """What went wrong, in the venue's words."""

    code: int
    msg: str


class OrderPayload(Payload, frozen=True, kw_only=True):
    """An order; ``time`` is set by reads only."""

    order_id: Id
    symbol: str
    status: str
    client_order_id: str
    orig_qty: str
    executed_qty: str
    type: str
    side: str
    price: str = "0"
    avg_price: str = "0.00"
    cum_qty: str = "0"
    cum_quote: str = "0"
    time_in_force: str = "GTC"
    reduce_only: bool = False
    close_position: bool = False
    position_side: str = "BOTH"
    stop_price: str = "0"
    working_type: str = "CONTRACT_PRICE"
    price_protect: bool = False
    orig_type: str = ""
    price_match: str = "NONE"
    self_trade_prevention_mode: str = "EXPIRE_MAKER"
    good_till_date: int = 0
    time: Time | msgspec.UnsetType = msgspec.UNSET
    update_time: Time = 0
    activate_price: str | msgspec.UnsetType = msgspec.UNSET
    price_rate: str | msgspec.UnsetType = msgspec.UNSET


class AlgoPayload(Payload, frozen=True, kw_only=True):
    """A conditional order; ``actual_order_id`` names the order that its trigger made."""

    algo_id: Id
    client_algo_id: str
    symbol: str
    side: str
    order_type: str
    algo_status: str
    quantity: str
    algo_type: str = "CONDITIONAL"
    position_side: str = "BOTH"
    time_in_force: str = "GTC"
    trigger_price: str = "0"
    price: str = "0"
    iceberg_quantity: str | None = None
    self_trade_prevention_mode: str = "EXPIRE_MAKER"
    working_type: str = "CONTRACT_PRICE"
    price_match: str = "NONE"
    close_position: bool = False
    price_protect: bool = False
    reduce_only: bool = False
    activate_price: str | None = ""
    callback_rate: str | None = ""
    create_time: Time = 0
    update_time: Time = 0
    trigger_time: Time = 0
    good_till_date: int = 0
    actual_order_id: str | None = ""
    actual_price: str | None = "0"


class AlgoCanceledPayload(Payload, frozen=True, kw_only=True):
    """The answer to the cancel of a conditional order."""

    algo_id: Id
    client_algo_id: str
    code: str = "200"
    msg: str = "success"


class DonePayload(Payload, frozen=True, kw_only=True):
    """The answer to a setting."""

    code: int = 200
    msg: str = "success"


class TradePayload(Payload, frozen=True, kw_only=True):
    """One execution of the account."""

    id: Id
    order_id: Id
    symbol: str
    side: str
    price: str
    qty: str
    commission: str
    commission_asset: str
    time: Time
    maker: bool
    buyer: bool = False
    position_side: str = "BOTH"
    quote_qty: str = "0"
    realized_pnl: str = "0"


class BalancePayload(Payload, frozen=True, kw_only=True):
    """The wallet of one asset, as ``balance`` lists it."""

    asset: str
    balance: str
    available_balance: str
    account_alias: str = "SgsR"
    cross_wallet_balance: str = "0"
    cross_un_pnl: str = "0"
    max_withdraw_amount: str = "0"
    margin_available: bool = True
    update_time: Time = 0


class PositionPayload(Payload, frozen=True, kw_only=True):
    """A position as ``v3/positionRisk`` lists it."""

    symbol: str
    position_amt: str
    position_side: str = "BOTH"
    entry_price: str = "0.0"
    break_even_price: str = "0.0"
    mark_price: str = "0"
    un_realized_profit: str = "0"
    liquidation_price: str = "0"
    isolated_margin: str = "0"
    notional: str = "0"
    margin_asset: str = "USDT"
    isolated_wallet: str = "0"
    initial_margin: str = "0"
    maint_margin: str = "0"
    position_initial_margin: str = "0"
    open_order_initial_margin: str = "0"
    adl: int = 0
    bid_notional: str = "0"
    ask_notional: str = "0"
    update_time: Time = 0


class OldPositionPayload(PositionPayload, frozen=True, kw_only=True):
    """A position as ``v2/positionRisk`` lists it."""

    leverage: str = "20"
    margin_type: str = "cross"
    is_auto_add_margin: str = "false"
    max_notional_value: str = "0"
    isolated: bool = False


class IncomePayload(Payload, frozen=True, kw_only=True):
    """A line of the account's income."""

    income_type: str
    income: str
    asset: str
    time: Time
    tran_id: int
    symbol: str = ""
    info: str = ""
    trade_id: str = ""


class DepthPayload(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A snapshot of the book."""

    last_update_id: int = msgspec.field(name="lastUpdateId")
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    sent: Time = msgspec.field(name="E", default=0)
    traded: Time = msgspec.field(name="T", default=0)


class TimePayload(Payload, frozen=True, kw_only=True):
    """The venue's clock, ms."""

    server_time: Annotated[int, msgspec.Meta(gt=0, le=2**53 - 1)]


class DeadManPayload(Payload, frozen=True, kw_only=True):
    """The countdown that was armed; the venue writes the number as text."""

    symbol: str
    countdown_time: str | int


class BracketPayload(Payload, frozen=True, kw_only=True):
    """One tier of leverage."""

    bracket: int
    initial_leverage: int
    notional_cap: int | float
    notional_floor: int | float
    maint_margin_ratio: float
    cum: float


class BracketsPayload(Payload, frozen=True, kw_only=True):
    """The tiers of one symbol."""

    symbol: str
    brackets: tuple[BracketPayload, ...]
    notional_coef: float = 1.0


class CommissionPayload(Payload, frozen=True, kw_only=True):
    """The account's fees in one symbol."""

    symbol: str
    maker_commission_rate: str
    taker_commission_rate: str


class SymbolPayload(Payload, frozen=True, kw_only=True):
    """One symbol of ``exchangeInfo``; filters are open objects, because each type has its own."""

    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    filters: tuple[dict[str, Any], ...]
    pair: str = ""
    contract_type: str = "PERPETUAL"
    delivery_date: int = 4133404800000
    onboard_date: int = 1569398400000
    maint_margin_percent: str = "2.5000"
    required_margin_percent: str = "5.0000"
    margin_asset: str = ""
    price_precision: int = 0
    quantity_precision: int = 0
    base_asset_precision: int = 8
    quote_precision: int = 8
    underlying_type: str = "COIN"
    underlying_sub_type: tuple[str, ...] = ("PoW",)
    trigger_protect: str = "0.0500"
    liquidation_fee: str = "0.012500"
    market_take_bound: str = "0.05"
    max_move_order_limit: int = 10000
    order_types: tuple[str, ...] = ()
    time_in_force: tuple[str, ...] = ()
    permission_sets: tuple[str, ...] = ()


class ExchangePayload(Payload, frozen=True, kw_only=True):
    """``exchangeInfo``."""

    symbols: tuple[SymbolPayload, ...]
    timezone: str = "UTC"
    server_time: int = 0
    futures_type: str = "U_MARGINED"
    rate_limits: tuple[dict[str, Any], ...] = ()
    exchange_filters: tuple[dict[str, Any], ...] = ()
    assets: tuple[dict[str, Any], ...] = ()
