"""A kernel at a desk of its own: the test says what the strategy wants and what the venue says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from interlock.kernel.engine import step
from interlock.kernel.state import Order, State
from interlock.model.events import OrderFilled, Started
from interlock.model.instrument import Instrument
from interlock.model.limits import Limits
from interlock.model.market import Bar
from interlock.model.order import OrderSpec, OrderType
from interlock.strategy.api import Strategy
from interlock.strategy.intents import Place
from tests.scenario import EQUITY, PERPETUAL, SPOT

BTC = PERPETUAL.id


class Told(Strategy):
    """Returns what the test hands it, and keeps what it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.todo: list[Any] = []
        self.heard: list[Any] = []

    def on_bar(self, bar: Bar) -> Any:
        todo, self.todo = self.todo, []
        return todo

    def on_fill(self, fill: Any) -> None:
        self.heard.append(fill)


class Desk:
    """A kernel without a venue: the test says what the venue says."""

    def __init__(
        self,
        *,
        cash: int = 10**12,
        limits: Limits | None = None,
        instruments: Sequence[Instrument] = (EQUITY, PERPETUAL, SPOT),
    ) -> None:
        self.state = State(
            currency="USDT",
            cash=cash,
            instruments=instruments,
            limits=limits or Limits(leverage_max_ratio=20_000_000),
        )
        self.told = Told()
        self.owner = self.state.add("A", self.told, cash)
        self.ts = 0
        step(self.state, Started(0))

    def wants(self, *intents: Any, price: int = 10_000, instrument: Any = PERPETUAL) -> list[Any]:
        self.told.todo = list(intents)
        self.ts += 60
        bar = Bar.of(instrument, self.ts, price, price, price, price, 1_000)
        bar.step_ns = 60
        return list(step(self.state, bar))

    def hears(self, kind: Any, *values: Any, name: str = "A-1") -> list[Any]:
        return list(step(self.state, kind(self.ts, name, *values)))

    def fill(self, quantity: int, trade: int, price: int = 10_000) -> list[Any]:
        return self.hears(OrderFilled, trade, price, quantity, 0, "USDT", False, price)

    def order(self, name: str = "A-1") -> Order:
        return self.state.open.get(name) or self.state.closed[name]

    def facts(self) -> list[Any]:
        found, self.state.facts = self.state.facts, []
        return found

    @property
    def position(self) -> int:
        return self.state.instruments[BTC].net.quantity


def buy(quantity: int = 1_000, price: int = 0, ref: int = 1, **options: Any) -> Place:
    kind = OrderType.LIMIT if price else OrderType.MARKET
    return Place(ref, OrderSpec(BTC, 1, quantity, kind, price, **options))
