"""A NautilusTrader node with the strategies of the duel; runs in that library's environment.

    python nautilus_node.py '{"url": URL, "ws_url": URL, "key": KEY, "secret": SECRET,
                              "strategy": "trips" or "resting", "checks": "" or "on"}'

Four times a second it writes the orders and positions of its cache to belief.json; every order that
the strategy submits is a line of decisions.log.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pandas as pd
from nautilus_trader.adapters.binance import (
    BINANCE,
    BinanceAccountType,
    BinanceDataClientConfig,
    BinanceExecClientConfig,
    BinanceLiveDataClientFactory,
    BinanceLiveExecClientFactory,
)
from nautilus_trader.config import (
    InstrumentProviderConfig,
    LiveExecEngineConfig,
    StrategyConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.trading.strategy import Strategy

HOLD_NS = 5 * 10**9
BELOW = 0.985
SIZES = {"BTC": "0.01", "ETH": "0.2", "SOL": "4"}
NAMES = {base: InstrumentId.from_str(f"{base}USDT-PERP.{BINANCE}") for base in SIZES}


class Beating(Strategy):
    """Acts four times a second, and writes down what the cache holds."""

    def on_start(self) -> None:
        for name in NAMES.values():
            self.subscribe_quote_ticks(name)
        self.clock.set_timer("beat", pd.Timedelta(milliseconds=250), callback=self.on_beat)

    def on_beat(self, event: Any) -> None:
        self.act()
        self.tell()

    def act(self) -> None:
        raise NotImplementedError

    def send(self, order: Any) -> None:
        with open("decisions.log", "a", encoding="ascii") as file:
            file.write(f"{order.client_order_id.value}\n")
        self.submit_order(order)

    def held(self) -> dict[str, Decimal]:
        positions: dict[str, Decimal] = defaultdict(Decimal)
        for position in self.cache.positions_open():
            base = position.instrument_id.symbol.value.partition("USDT")[0]
            positions[base] += position.signed_decimal_qty()
        return positions

    def tell(self) -> None:
        orders = [
            {
                "client": order.client_order_id.value,
                "venue": "" if order.venue_order_id is None else order.venue_order_id.value,
                "is_open": not order.is_closed,
            }
            for order in self.cache.orders()
        ]
        positions = {base: str(size) for base, size in self.held().items()}
        with open("belief.new", "w", encoding="ascii") as file:
            json.dump({"orders": orders, "positions": positions}, file)
        os.replace("belief.new", "belief.json")


class Trips(Beating):
    """Buy at the market, hold five seconds, sell, wait five seconds."""

    since = 0

    def act(self) -> None:
        now = self.clock.timestamp_ns()
        name = NAMES["BTC"]
        waits = self.cache.orders_open() or self.cache.orders_inflight()
        if waits or now - self.since < HOLD_NS or self.cache.quote_tick(name) is None:
            return
        self.since = now
        instrument = self.cache.instrument(name)
        size = self.held()["BTC"]
        side = OrderSide.SELL if size > 0 else OrderSide.BUY
        quantity = instrument.make_qty(abs(size) or Decimal(SIZES["BTC"]))
        self.send(self.order_factory.market(name, side, quantity, reduce_only=size != 0))


class Resting(Beating):
    """Two bids on each instrument, once, and nothing more."""

    def on_start(self) -> None:
        self.placed: set[str] = set()
        super().on_start()

    def act(self) -> None:
        for base, name in NAMES.items():
            quote = self.cache.quote_tick(name)
            if base in self.placed or quote is None:
                continue
            self.placed.add(base)
            instrument = self.cache.instrument(name)
            for step in (1.0, 0.98):
                price = instrument.make_price(float(quote.bid_price) * BELOW * step)
                quantity = instrument.make_qty(Decimal(SIZES[base]))
                self.send(self.order_factory.limit(name, OrderSide.BUY, quantity, price))


def node_of(given: dict[str, str]) -> TradingNode:
    """The node, with the library's defaults but for what stands here."""
    place = {
        "api_key": given["key"],
        "api_secret": given["secret"],
        "account_type": BinanceAccountType.USDT_FUTURES,
        "base_url_http": given["url"],
        "base_url_ws": given["ws_url"],
        "instrument_provider": InstrumentProviderConfig(load_all=True),
    }
    checks: dict[str, Any] = {}
    if given["checks"]:
        # Open orders alone do not tell what became of one that is not open any more.
        checks = {"open_check_interval_secs": 10.0, "open_check_open_only": False}
    node = TradingNode(
        TradingNodeConfig(
            exec_engine=LiveExecEngineConfig(**checks),
            data_clients={BINANCE: BinanceDataClientConfig(**place)},
            exec_clients={BINANCE: BinanceExecClientConfig(**place)},
        )
    )
    # So that orders and positions of the time before a restart belong to the strategy again.
    claims = StrategyConfig(external_order_claims=list(NAMES.values()))
    node.trader.add_strategy((Trips if given["strategy"] == "trips" else Resting)(claims))
    node.add_data_client_factory(BINANCE, BinanceLiveDataClientFactory)
    node.add_exec_client_factory(BINANCE, BinanceLiveExecClientFactory)
    node.build()
    return node


def main(text: str) -> None:
    node = node_of(json.loads(text))
    try:
        node.run()
    finally:
        node.dispose()


if __name__ == "__main__":
    main(sys.argv[1])
