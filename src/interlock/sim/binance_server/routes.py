"""Every path of the server: who answers, what it costs, who may ask."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from interlock.sim.binance_server import account, conditionals, orders, public
from interlock.sim.binance_server.state import Call, ServerState
from interlock.wire.binance.parameters import Parameters

Handler = Callable[[ServerState, Call], object]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One method and path. ``access`` is open, key or signed; ``orders`` counts against limits."""

    handler: Handler
    access: str = "signed"
    weight: int = 1
    weight_of: Callable[[Parameters], int] | None = None
    orders: int = 0
    trades: bool = False

    def cost(self, parameters: Parameters) -> int:
        """The weight of one call."""
        return self.weight_of(parameters) if self.weight_of is not None else self.weight


def _by_limit(*steps: tuple[int, int]) -> Callable[[Parameters], int]:
    def cost(parameters: Parameters) -> int:
        text = parameters.text("limit", "500")
        limit = int(text) if text.isdigit() and len(text) < 9 else 500
        return next((weight for most, weight in steps if limit <= most), steps[-1][1])

    return cost


def _one_or_all(one: int, every: int) -> Callable[[Parameters], int]:
    return lambda parameters: one if "symbol" in parameters else every


def _read(handler: Handler, weight: int = 1) -> Route:
    return Route(handler=handler, weight=weight)


def _split(handler: Handler, one: int, every: int, access: str = "signed") -> Route:
    return Route(handler=handler, access=access, weight_of=_one_or_all(one, every))


def _open(handler: Handler, weight: int = 1) -> Route:
    return Route(handler=handler, access="open", weight=weight)


def _write(handler: Handler, weight: int = 1, count: int = 0) -> Route:
    return Route(handler=handler, weight=weight, orders=count, trades=True)


def _key(handler: Handler) -> Route:
    return Route(handler=handler, access="key")


_depth = _by_limit((50, 2), (100, 5), (500, 10), (1000, 20))
_klines = _by_limit((99, 1), (499, 2), (1000, 5), (1500, 10))

ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/api/v3/ping"): _open(public.ping),
    ("GET", "/api/v3/time"): _open(public.clock),
    ("GET", "/api/v3/exchangeInfo"): _open(public.empty_exchange_info),
    ("GET", "/dapi/v1/exchangeInfo"): _open(public.empty_exchange_info),
    ("GET", "/sapi/v1/capital/config/getall"): _read(public.nothing),
    ("GET", "/sapi/v1/margin/allPairs"): _read(public.nothing),
    ("GET", "/sapi/v1/margin/isolated/allPairs"): _read(public.nothing),
    ("GET", "/fapi/v1/ping"): _open(public.ping),
    ("GET", "/fapi/v1/time"): _open(public.clock),
    ("GET", "/fapi/v1/exchangeInfo"): _open(public.exchange_info),
    ("GET", "/fapi/v1/depth"): Route(handler=public.depth, access="open", weight_of=_depth),
    ("GET", "/fapi/v1/klines"): Route(handler=public.klines, access="open", weight_of=_klines),
    ("GET", "/fapi/v1/trades"): _open(public.trades, 5),
    ("GET", "/fapi/v1/historicalTrades"): _key(public.trades),
    ("GET", "/fapi/v1/aggTrades"): _open(public.aggregate_trades, 20),
    ("GET", "/fapi/v1/ticker/24hr"): _split(public.day_ticker, 1, 40, "open"),
    ("GET", "/fapi/v1/ticker/price"): _split(public.price_ticker, 1, 2, "open"),
    ("GET", "/fapi/v2/ticker/price"): _split(public.price_ticker, 1, 2, "open"),
    ("GET", "/fapi/v1/ticker/bookTicker"): _split(public.touch_ticker, 2, 5, "open"),
    ("GET", "/fapi/v1/premiumIndex"): _open(public.premium_index),
    ("GET", "/fapi/v1/fundingRate"): _open(public.funding_rates),
    ("GET", "/fapi/v1/fundingInfo"): _open(public.funding_info),
    ("GET", "/fapi/v2/account"): _read(account.old_account, 5),
    ("GET", "/fapi/v3/account"): _read(account.account, 5),
    ("GET", "/fapi/v2/balance"): _read(account.balance, 5),
    ("GET", "/fapi/v3/balance"): _read(account.balance, 5),
    ("GET", "/fapi/v2/positionRisk"): _read(account.old_position_risk, 5),
    ("GET", "/fapi/v3/positionRisk"): _read(account.position_risk, 5),
    ("GET", "/fapi/v1/income"): _read(account.income, 30),
    ("GET", "/fapi/v1/leverageBracket"): _read(account.leverage_brackets),
    ("GET", "/fapi/v1/commissionRate"): _read(account.commission_rate, 20),
    ("GET", "/fapi/v1/accountConfig"): _read(account.account_config, 5),
    ("GET", "/fapi/v1/symbolConfig"): _read(account.symbol_config, 5),
    ("GET", "/fapi/v1/positionSide/dual"): _read(account.position_mode, 30),
    ("POST", "/fapi/v1/positionSide/dual"): _write(account.set_position_mode),
    ("GET", "/fapi/v1/multiAssetsMargin"): _read(account.assets_mode, 30),
    ("POST", "/fapi/v1/leverage"): _write(account.set_leverage),
    ("POST", "/fapi/v1/marginType"): _write(account.set_margin_type),
    ("POST", "/fapi/v1/positionMargin"): _write(account.change_margin),
    ("POST", "/fapi/v1/listenKey"): _key(account.open_listen_key),
    ("PUT", "/fapi/v1/listenKey"): _key(account.keep_listen_key),
    ("DELETE", "/fapi/v1/listenKey"): _key(account.close_listen_key),
    ("POST", "/fapi/v1/order"): _write(orders.place, count=1),
    ("POST", "/fapi/v1/order/test"): _write(orders.check_order),
    ("PUT", "/fapi/v1/order"): _write(orders.amend, count=1),
    ("DELETE", "/fapi/v1/order"): _write(orders.cancel),
    ("GET", "/fapi/v1/order"): _read(orders.ask),
    ("GET", "/fapi/v1/openOrder"): _read(orders.ask_open),
    ("GET", "/fapi/v1/openOrders"): _split(orders.open_orders, 1, 40),
    ("GET", "/fapi/v1/allOrders"): _read(orders.all_orders, 5),
    ("GET", "/fapi/v1/userTrades"): _read(orders.user_trades, 5),
    ("DELETE", "/fapi/v1/allOpenOrders"): _write(orders.cancel_all),
    ("POST", "/fapi/v1/batchOrders"): _write(orders.place_batch, weight=5, count=5),
    ("DELETE", "/fapi/v1/batchOrders"): _write(orders.cancel_batch),
    ("POST", "/fapi/v1/countdownCancelAll"): _write(orders.dead_man, weight=10),
}
CONDITIONAL_ROUTES: dict[tuple[str, str], Route] = {
    ("POST", "/fapi/v1/algoOrder"): _write(conditionals.place, count=1),
    ("DELETE", "/fapi/v1/algoOrder"): _write(conditionals.cancel),
    ("GET", "/fapi/v1/algoOrder"): _read(conditionals.ask),
    ("GET", "/fapi/v1/openAlgoOrders"): _split(conditionals.open_orders, 1, 40),
    ("GET", "/fapi/v1/allAlgoOrders"): _read(conditionals.all_orders, 5),
    ("DELETE", "/fapi/v1/algoOpenOrders"): _write(conditionals.cancel_all),
}
