"""What the core tells becomes frames for whoever subscribed to it."""

from __future__ import annotations

from interlock.model.instrument import Instrument
from interlock.model.order import TimeInForce
from interlock.sim.hyperliquid_server import rows
from interlock.sim.hyperliquid_server.market_info import MarketInfo
from interlock.sim.hyperliquid_server.rows import Row, ms
from interlock.sim.hyperliquid_server.sessions import Key, Session
from interlock.sim.hyperliquid_server.state import ServerState, now_ms
from interlock.sim.hyperliquid_server.user_info import UserInfo
from interlock.sim.venue.state import NEVER
from interlock.sim.venue.values import (
    AccountEvent,
    EndReason,
    Fill,
    MarketStatus,
    OrderEvent,
    TopChange,
    TradePrint,
    VenueEvent,
)
from interlock.wire.hyperliquid.text import NS_PER_MS

_OURS = (EndReason.USER, EndReason.IMMEDIATE, "")


class Channels:
    """Who hears what. Books, candles and contexts go out at intervals, all else at once."""

    def __init__(self, state: ServerState, market: MarketInfo, user: UserInfo) -> None:
        self._state = state
        self._market = market
        self._user = user
        self._listeners: dict[Key, dict[int, Session]] = {}
        self._stale: dict[str, None] = {}
        self._next_books = 0
        self._next_contexts = 0

    def add(self, number: int, session: Session, key: Key, ts: int) -> None:
        """Let a session hear something, beginning with how it stands."""
        self._listeners.setdefault(key, {})[number] = session
        for data in self._first(key, ts):
            session.send(_channel(key), data)

    def remove(self, number: int, key: Key) -> None:
        """Let a session hear something no more."""
        held = self._listeners.get(key, {})
        held.pop(number, None)
        if not held:
            self._listeners.pop(key, None)

    def due(self) -> int:
        """When something is to be sent at the latest, ns."""
        return min(self._next_books, self._next_contexts) if self._listeners else NEVER

    def hear(self, event: VenueEvent) -> None:
        """Pass on one event of the core."""
        match event:
            case OrderEvent():
                self._order(event)
            case AccountEvent():
                self._account(event)
            case TradePrint():
                self._trade(event)
            case TopChange():
                self._top(event)
            case MarketStatus():
                self._state.refresh()

    def tick(self, ts: int) -> None:
        """Send what goes out at intervals."""
        options = self._state.options
        if ts >= self._next_books:
            self._next_books = ts + options.book_interval_ms * NS_PER_MS
            self._books(ts)
        if ts >= self._next_contexts:
            self._next_contexts = ts + options.context_interval_ms * NS_PER_MS
            self._contexts(ts)

    def _first(self, key: Key, ts: int) -> list[object]:
        """How the thing stands when somebody begins to listen."""
        kind = key[0]
        if kind == "allMids":
            return [{"mids": self._market.mids()}]
        if kind in ("l2Book", "bbo", "trades", "activeAssetCtx", "candle"):
            return self._first_of_coin(key, ts)
        user = key[1]
        if kind == "userFills":
            fills = self._user.fills(user)[:2_000]
            return [{"isSnapshot": True, "user": user, "fills": fills}]
        if kind == "userFundings":
            paid = self._user.fundings(user, 0, ts)
            return [{"isSnapshot": True, "user": user, "fundings": paid}]
        if kind == "userNonFundingLedgerUpdates":
            return [{"isSnapshot": True, "user": user, "nonFundingLedgerUpdates": []}]
        if kind == "activeAssetData":
            return [self._user.asset_data(user, self._state.of_coin(key[2]))]
        found = self._account_frame(kind, user, ts)
        return [found] if found is not None else []

    def _first_of_coin(self, key: Key, ts: int) -> list[object]:
        instrument = self._state.of_coin(key[1])
        match key[0]:
            case "l2Book":
                return [self._market.book(ts, instrument)]
            case "bbo":
                return [self._bbo(instrument, ts)]
            case "trades":
                trades = self._market.recent_trades(ts, instrument)
                return [trades] if trades else []
            case "activeAssetCtx":
                return [{"coin": instrument.base, "ctx": self._market.context(ts, instrument)}]
            case _:
                candle = self._market.candle(ts, instrument, key[2])
                return [candle] if candle else []

    def _account_frame(self, kind: str, user: str, ts: int) -> Row | None:
        match kind:
            case "clearinghouseState":
                state = self._user.account(ts, user)
                return {"dex": "", "user": user, "clearinghouseState": state}
            case "spotState":
                return {"user": user, "spotState": self._user.spot(user)}
            case "openOrders":
                orders = self._user.open_orders(user, is_long=True)
                return {"dex": "", "user": user, "orders": orders}
            case "webData2":
                return self._user.web_data(ts, user)
            case _:
                return None

    def _tell(self, key: Key, data: object) -> None:
        for session in list(self._listeners.get(key, {}).values()):
            session.send(_channel(key), data)

    def _order(self, event: OrderEvent) -> None:
        order, state = event.order, self._state
        users = state.access.addresses(order.account)
        if not users:
            return
        state.note(order)
        for user in users:
            if event.fill is not None:
                self._fill(user, event.fill)
            if not _is_silent(event):
                instrument = state.universe.of_id(order.symbol)
                row = rows.status_row(order, rows.order_row(order, instrument))
                self._tell(("orderUpdates", user), [row])
            if event.execution in ("canceled", "expired") and order.reason not in _OURS:
                told = [{"coin": state.universe.of_id(order.symbol).base, "oid": order.order_id}]
                self._tell(("userEvents", user), {"nonUserCancel": told})
        if order.reason == EndReason.DEAD_MAN:
            strikes = state.strikes.setdefault(order.account, [])
            now = now_ms(event.ts)
            if not strikes or strikes[-1] != now:
                strikes.append(now)

    def _fill(self, user: str, fill: Fill) -> None:
        row = self._user.fill(user, fill)
        self._state.budget(user).volume += fill.notional
        self._tell(("userFills", user), {"user": user, "fills": [row]})
        self._tell(("userEvents", user), {"fills": [row]})

    def _account(self, event: AccountEvent) -> None:
        for user in self._state.access.addresses(event.account):
            if event.cause == "funding":
                for row in self._user.fundings(user, event.ts, event.ts):
                    self._tell(("userEvents", user), {"funding": row})
                    self._tell(("userFundings", user), {"user": user, "fundings": [row]})
            if event.cause == "liquidation":
                self._tell(("userEvents", user), {"liquidation": self._liquidation(event, user)})
            for kind in ("clearinghouseState", "spotState", "webData2", "openOrders"):
                if (kind, user) in self._listeners:
                    self._tell((kind, user), self._account_frame(kind, user, event.ts))
        self._drop_position_stops(event)

    def _liquidation(self, event: AccountEvent, user: str) -> Row:
        return {
            "lid": event.sequence,
            "liquidator": rows.transaction(0)[:42],
            "liquidated_user": user,
            "liquidated_ntl_pos": "0.0",
            "liquidated_account_value": rows.money(
                sum(balance.margin_balance for balance in event.balances)
            ),
        }

    def _drop_position_stops(self, event: AccountEvent) -> None:
        """Stops over a whole position go with it."""
        core = self._state.core
        for position in event.positions:
            if position.quantity:
                continue
            for order in core.open_orders(event.account, position.symbol):
                if order.close_position and not order.ts_triggered:
                    core.cancel(event.ts, event.account, order.symbol, order_id=order.order_id)

    def _trade(self, event: TradePrint) -> None:
        universe = self._state.universe
        instrument = universe.of_id(event.symbol)
        self._stale[event.symbol] = None
        key = ("trades", instrument.base)
        if key in self._listeners:
            row = rows.trade_row(event, instrument, universe.index(event.symbol))
            self._tell(key, [row])

    def _top(self, event: TopChange) -> None:
        instrument = self._state.universe.of_id(event.symbol)
        key = ("bbo", instrument.base)
        if key not in self._listeners:
            return
        sides = [(event.bid, event.bid_quantity), (event.ask, event.ask_quantity)]
        touch = [
            rows.level_row((price, quantity, 1), instrument) if price else None
            for price, quantity in sides
        ]
        self._tell(key, {"coin": instrument.base, "time": ms(event.ts), "bbo": touch})

    def _bbo(self, instrument: Instrument, ts: int) -> Row:
        view = self._state.core.book(instrument.id, 1)
        touch = [
            rows.level_row(side[0], instrument) if side else None for side in (view.bids, view.asks)
        ]
        return {"coin": instrument.base, "time": ms(ts), "bbo": touch}

    def _books(self, ts: int) -> None:
        """Whole books, changed or not: silence means that the stream is dead."""
        stale, self._stale = self._stale, {}
        for key in [key for key in self._listeners if key[0] == "l2Book"]:
            self._tell(key, self._market.book(ts, self._state.of_coin(key[1])))
        for key in [key for key in self._listeners if key[0] == "candle"]:
            instrument = self._state.of_coin(key[1])
            candle = self._market.candle(ts, instrument, key[2])
            if instrument.id in stale and candle:
                self._tell(key, candle)

    def _contexts(self, ts: int) -> None:
        if ("allMids",) in self._listeners:
            self._tell(("allMids",), {"mids": self._market.mids()})
        for key in [key for key in self._listeners if key[0] == "activeAssetCtx"]:
            instrument = self._state.of_coin(key[1])
            context = self._market.context(ts, instrument)
            self._tell(key, {"coin": instrument.base, "ctx": context})


def _is_silent(event: OrderEvent) -> bool:
    """An immediate order is told once, when it is over; one that was refused by the book too."""
    is_immediate = event.order.time_in_force is TimeInForce.IOC
    return is_immediate and event.execution == "new" and event.order.is_open


def _channel(key: Key) -> str:
    return "user" if key[0] == "userEvents" else key[0]
