"""What the exchange core is told and what it says: tickets, orders, fills, payments, refusals.

Rules of this file. Prices, quantities and money are the instrument's integers, rates 1e-6, times ns
UTC. Nothing here knows a protocol: the servers write these values in their venue's words.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from interlock.model.order import TERMINAL, OrderStatus, OrderType, TimeInForce
from interlock.sim.matching import SelfTrade


class Refusal(StrEnum):
    """Why a request was not done. Nothing has changed when one is returned."""

    INSUFFICIENT_MARGIN = "insufficient_margin"
    POST_ONLY_WOULD_TAKE = "post_only_would_take"
    REDUCE_ONLY = "reduce_only"
    FOK_UNFILLABLE = "fok_unfillable"
    WOULD_TRIGGER_NOW = "would_trigger_now"
    PRICE_RULE = "price_rule"
    QUANTITY_RULE = "quantity_rule"
    MIN_NOTIONAL = "min_notional"
    PRICE_BAND = "price_band"
    DUPLICATE_ID = "duplicate_id"
    UNKNOWN_ORDER = "unknown_order"
    NO_LIQUIDITY = "no_liquidity"
    SYMBOL_CLOSED = "symbol_closed"
    TOO_MANY_ORDERS = "too_many_orders"
    LEVERAGE_RULE = "leverage_rule"
    NOTHING_TO_CHANGE = "nothing_to_change"
    HAS_POSITION = "has_position"
    HAS_OPEN_ORDERS = "has_open_orders"
    IN_LIQUIDATION = "in_liquidation"
    UNKNOWN_SYMBOL = "unknown_symbol"
    BALANCE = "balance"
    NOT_AMENDABLE = "not_amendable"
    SIDE_RULE = "side_rule"


class EndReason(StrEnum):
    """Why an order ended without being filled whole (``Order.reason``)."""

    USER = "user"
    IMMEDIATE = "immediate"
    SELF_TRADE = "self_trade"
    REDUCE_ONLY = "reduce_only"
    EXPIRED = "gtd"
    DEAD_MAN = "dead_man"
    LIQUIDATION = "liquidation"
    DELISTED = "delisted"
    SIBLING = "sibling"
    PARENT = "parent"
    POST_ONLY = "post_only"
    AMENDED = "amended_below_filled"
    TRIGGER_REFUSED = "trigger_refused"
    OPERATOR = "operator"


class Refused(msgspec.Struct, frozen=True):
    """A request that was not done; ``value`` broke ``limit`` where the rule has numbers."""

    refusal: Refusal
    text: str
    value: str = ""
    limit: str = ""


class OrderTicket(msgspec.Struct, kw_only=True):
    """One order as a client asks for it.

    ``price`` of a market order bounds what it pays (0 = the venue's own bound). ``callback_rate``
    is of 1e-6, ``activation`` a price (0 = at once). A ``close_position`` order closes what is
    held when it triggers and has quantity 0. ``is_conditional`` keeps a trigger order apart under
    its own number; without it the order keeps its number when it triggers. Orders of one ``group``
    cancel each other; one that ``waits_for`` an order sleeps until that one has filled.
    """

    symbol: str
    side: int
    quantity: int
    type: OrderType = OrderType.MARKET
    price: int = 0
    trigger: int = 0
    callback_rate: int = 0
    activation: int = 0
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    close_position: bool = False
    expire_ts: int = 0
    client_id: str = ""
    working_type: str = "contract"
    position_side: str = "both"
    is_conditional: bool = False
    group: int = 0
    waits_for: int = 0
    self_trade: SelfTrade | None = None


class Order(OrderTicket, kw_only=True):
    """An order the venue took on: the ticket as it is now, and what became of it.

    ``notional`` is the money filled. ``conditional_id`` names the conditional an order came from,
    ``spawned_id`` the order a conditional became. ``trail_best`` is a trailing stop's best price.
    """

    order_id: int
    account: str
    filled: int = 0
    notional: int = 0
    status: OrderStatus = OrderStatus.ACCEPTED
    ts_created: int = 0
    ts_updated: int = 0
    ts_triggered: int = 0
    conditional_id: int = 0
    spawned_id: int = 0
    is_active: bool = False
    trail_best: int = 0
    reason: str = ""

    @property
    def left(self) -> int:
        """The quantity that is not filled."""
        return self.quantity - self.filled

    @property
    def is_open(self) -> bool:
        """Whether the order may still do something."""
        return self.status not in TERMINAL


class Amendment(msgspec.Struct, frozen=True, kw_only=True):
    """The wanted state of an open order: total ``quantity``; 0 leaves a field as it is."""

    order_id: int = 0
    client_id: str = ""
    quantity: int = 0
    price: int = 0
    trigger: int = 0
    is_conditional: bool = False


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of one account. ``position_before`` is the signed holding it changed."""

    fill_id: int
    order_id: int
    client_id: str
    account: str
    symbol: str
    side: int
    position_side: str
    price: int
    quantity: int
    notional: int
    fee: int
    fee_asset: str
    is_maker: bool
    realized: int
    position_before: int
    ts: int


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a wallet. An account's wallet is its start plus the sum of these.

    Kinds: funding, realized, commission, transfer, liquidation_fee, insurance, adl.
    """

    kind: str
    account: str
    symbol: str
    asset: str
    amount: int
    ts: int
    payment_id: int
    trade_id: int = 0


class VenueRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue decides for all symbols; rates are of 1e-6, money 1e-8 of the quote.

    ``slippage`` worsens what takers pay by a share of the price; ``fee_per_unit`` is money for one
    whole base unit in place of the instrument's rates. Both are for play markets.
    """

    self_trade: SelfTrade = SelfTrade.CANCEL_INCOMING
    band_up: int = 50_000
    band_down: int = 50_000
    band_is_two_sided: bool = False
    market_bound: int = 50_000
    max_orders: int = 200
    max_conditionals: int = 100
    leverage: int = 20
    liquidation_fee: int = 12_500
    insurance: int = 10**15
    interest_rate: int = 1_000_000
    funding_cap: int = 200_000_000
    funding_clamp: int = 5_000_000
    mark_interval_ns: int = 1_000_000_000
    step_ns: int = 50_000_000
    keeps_conditionals_when_flat: bool = True
    history: int = 100_000
    slippage: int = 0
    fee_per_unit: int | None = None


class BalanceView(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one asset of an account, in money units.

    ``wallet`` holds ``cross_wallet`` and what isolated positions have put aside. ``available`` may
    be opened with, never below 0. ``margin_balance`` = wallet + unrealized.
    """

    asset: str
    wallet: int
    cross_wallet: int
    unrealized: int
    cross_unrealized: int
    position_margin: int
    order_margin: int
    maintenance: int
    cross_maintenance: int
    available: int

    @property
    def margin_balance(self) -> int:
        """Wallet plus open profit."""
        return self.wallet + self.unrealized


class PositionView(msgspec.Struct, frozen=True, kw_only=True):
    """One holding: ``quantity`` and ``cost`` are signed; ``liquidation`` 0 = out of reach.

    ``adl`` is the fifth of the ranking by profit and leverage (0 low, 4 first in line).
    """

    symbol: str
    position_side: str
    quantity: int
    cost: int
    mark: int
    unrealized: int
    realized: int
    fees: int
    funding: int
    liquidation: int
    leverage: int
    is_isolated: bool
    isolated_wallet: int
    initial_margin: int
    order_margin: int
    maintenance: int
    adl: int
    ts_updated: int


class WalletTold(msgspec.Struct, frozen=True, kw_only=True):
    """What an account's stream tells of one asset, in money units."""

    asset: str
    wallet: int
    cross_wallet: int
    unrealized: int

    @property
    def margin_balance(self) -> int:
        """Wallet plus open profit."""
        return self.wallet + self.unrealized


class HoldingTold(msgspec.Struct, frozen=True, kw_only=True):
    """What an account's stream tells of one holding: what it is, and nothing of its margin."""

    symbol: str
    position_side: str
    quantity: int
    cost: int
    unrealized: int
    realized: int
    is_isolated: bool
    isolated_wallet: int


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """An account at one moment; ``positions`` has the holdings that are not zero."""

    name: str
    is_hedged: bool
    is_liquidating: bool
    balances: tuple[BalanceView, ...]
    positions: tuple[PositionView, ...]


class BookView(msgspec.Struct, frozen=True, kw_only=True):
    """The best levels of a book as (price, quantity, orders), and the id they are true at."""

    symbol: str
    ts: int
    update_id: int
    bids: tuple[tuple[int, int, int], ...]
    asks: tuple[tuple[int, int, int], ...]


class MarkView(msgspec.Struct, frozen=True, kw_only=True):
    """Mark and index price, the funding rate (1e-10) as it stands and when it is paid next."""

    symbol: str
    ts: int
    mark: int
    index: int
    last: int
    funding_rate: int
    next_funding_ts: int


class BarRow(msgspec.Struct, kw_only=True):
    """One bar from trades: volumes in quantity units, ``notional`` in money; ``ts`` opens it."""

    ts: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    notional: int = 0
    count: int = 0
    taker_buy_volume: int = 0
    taker_buy_notional: int = 0


class FundingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One funding that was paid: rate 1e-10 at this mark."""

    symbol: str
    ts: int
    rate: int
    mark: int


# Events, in the order in which they happened. ``sequence`` counts over all of them.
class Event(msgspec.Struct, kw_only=True, tag=True):
    """Something the venue tells; ``ts`` is venue time."""

    ts: int
    sequence: int


class OrderEvent(Event, kw_only=True):
    """An order changed.

    ``execution``: new, canceled, expired, trade, amended, triggered, rejected, liquidation, adl.
    """

    order: Order
    execution: str
    fill: Fill | None = None


class AccountEvent(Event, kw_only=True):
    """Wallets or holdings changed: order, funding, margin_type, transfer, liquidation, adl.

    ``changes`` are the amounts by which the wallets of ``balances`` moved for this cause without
    profit and fees of trading; holdings that became zero are included.
    """

    account: str
    cause: str
    balances: tuple[WalletTold, ...] = ()
    positions: tuple[HoldingTold, ...] = ()
    changes: tuple[tuple[str, int], ...] = ()


class ConditionalEvent(Event, kw_only=True):
    """A conditional order changed: new, triggered, finished, canceled, expired, rejected, amended.

    ``triggered`` carries ``order.spawned_id``, the number of the order it became.
    """

    order: Order
    status: str


class ConfigEvent(Event, kw_only=True):
    """An account changed its leverage on a symbol."""

    account: str
    symbol: str
    leverage: int


class TradePrint(Event, kw_only=True):
    """A trade as everybody sees it; ``side`` is the aggressor's."""

    symbol: str
    price: int
    quantity: int
    side: int
    trade_id: int
    buyer_order: int
    seller_order: int
    is_liquidation: bool = False


class BookChange(Event, kw_only=True):
    """Levels after a change, as (side, price, quantity); ids run on without a gap."""

    symbol: str
    first_id: int
    last_id: int
    previous_id: int
    levels: list[tuple[int, int, int]]


class TopChange(Event, kw_only=True):
    """The touch after a change; prices and quantities of an empty side are 0."""

    symbol: str
    bid: int
    bid_quantity: int
    ask: int
    ask_quantity: int
    update_id: int


class MarkChange(Event, kw_only=True):
    """The mark price of a symbol, told at every mark interval."""

    symbol: str
    mark: int
    index: int
    funding_rate: int
    next_funding_ts: int


class MarketStatus(Event, kw_only=True):
    """A symbol's state: trading, halted, settling, delisted; or its rules changed (filters)."""

    symbol: str
    status: str


VenueEvent = (
    OrderEvent
    | AccountEvent
    | ConditionalEvent
    | ConfigEvent
    | TradePrint
    | BookChange
    | TopChange
    | MarkChange
    | MarketStatus
)
