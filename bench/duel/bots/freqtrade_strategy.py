"""The two strategies of the duel for freqtrade."""

from typing import Any

from freqtrade.strategy import IStrategy

HOLD_S = 5
BELOW = 0.985


class Trips(IStrategy):
    """Long whenever there is no position, at the market; out after five seconds."""

    INTERFACE_VERSION = 3
    timeframe = "1m"
    minimal_roi = {"0": 10}
    stoploss = -0.5
    order_types = {
        "entry": "market",
        "exit": "market",
        "stoploss": "market",
        "stoploss_on_exchange": False,
    }

    def populate_indicators(self, dataframe: Any, metadata: Any) -> Any:
        return dataframe

    def populate_entry_trend(self, dataframe: Any, metadata: Any) -> Any:
        dataframe["enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe: Any, metadata: Any) -> Any:
        return dataframe

    def custom_exit(self, pair: str, trade: Any, current_time: Any, *rest: Any, **more: Any) -> Any:
        is_due = (current_time - trade.open_date_utc).total_seconds() > HOLD_S
        return "time" if is_due else None


class Resting(Trips):
    """One bid on each pair below the price; nothing leaves by itself."""

    order_types = {
        "entry": "limit",
        "exit": "limit",
        "stoploss": "market",
        "stoploss_on_exchange": False,
    }

    def custom_entry_price(self, *rest: Any, proposed_rate: float, **more: Any) -> float:
        return proposed_rate * BELOW

    def custom_exit(self, pair: str, trade: Any, current_time: Any, *rest: Any, **more: Any) -> Any:
        return None
