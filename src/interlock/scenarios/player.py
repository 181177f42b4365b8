"""The strategy of the scenarios: it plays a score of known orders, one step on every beat.

A score is words separated by blanks, one step each; ``+`` joins what happens on one beat. A word is
``verb``, ``verb:value`` or ``verb:value@BASE`` (BTC where nothing is named):

| verb | what it does |
|---|---|
| to:N | hold N units of trade (N may be negative); asked again on every beat until it is so |
| bid:N, ask:N | have N limit orders resting away from the touch; placed again until they rest |
| near:N | have N limit orders resting just behind the touch on the bid side |
| move | move the newest resting order away by a few ticks |
| cancel | cancel the newest resting order; one that is still wanted is placed anew |
| enter:N | one entry of N units at the market that brings its stop |
| await:N | the same with an entry that rests away from the touch |
| tight | put a stop-limit order close to the price in the place of the stops |
| block:S | think for S seconds: the whole engine waits |
| wait | nothing |

What was refused or lost is asked for again, so that the end of a score is the same whatever
happened on the way: the same position and the same resting orders.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from interlock.adapters.system import SystemClock
from interlock.model.order import OrderType
from interlock.strategy.api import Strategy
from interlock.strategy.parameters import param

SECOND = 10**9
# One unit of trade by base currency: a few hundred of the quote currency.
UNITS = {"BTC": 0.01, "ETH": 0.1, "SOL": 2.0}


class Player(Strategy):
    """Plays a score; the same score asks for the same orders on every run."""

    score: str = param("wait", text="what to do, step by step")
    beat: float = param(0.5, 0.01, 60.0, text="seconds between two steps")
    rounds: int = param(1, 0, 1_000_000, text="how often the score is played; 0 = for ever")
    away_bps: float = param(150.0, 1.0, 5000.0, text="distance of resting orders from the touch")
    stop_bps: float = param(200.0, 1.0, 5000.0, text="distance of stops from the price")

    def on_start(self) -> None:
        self.step = 0
        self.goals: dict[str, float] = {}
        self.wanted: dict[tuple[str, int], int] = {}
        self.entry: dict[str, int] = {}
        self.moves = 0
        self.names = {item.base: item.id for item in self.view.instruments()}
        self._later()

    def on_timer(self, name: str) -> None:
        if not all(self.view.mark(place) > 0 for place in self.names.values()):
            # The score begins when every instrument has a price.
            self._later()
            return
        steps = self.score.split()
        if not self.rounds or self.step < len(steps) * self.rounds:
            for word in steps[self.step % len(steps)].split("+"):
                self._play(word)
            self.step += 1
        self._pursue()
        self._later()

    def on_fill(self, fill: Any) -> None:
        # A stop without a position protects nothing.
        if not self.view.position_units(fill.instrument):
            for ref in self._open(fill.instrument, is_stop=True):
                self.cancel(ref)

    def _later(self) -> None:
        self.timer("beat", self.view.ts_event + round(self.beat * SECOND))

    def _play(self, word: str) -> None:
        verb, _, rest = word.partition(":")
        value, _, base = rest.partition("@")
        if "@" in verb:
            verb, _, base = verb.partition("@")
        name = self.names[base or "BTC"]
        table: dict[str, Callable[[str, str], None]] = {
            "to": self._aim,
            "bid": lambda name, value: self._want(name, 1, value),
            "ask": lambda name, value: self._want(name, -1, value),
            "near": lambda name, value: self._want(name, 2, value),
            "move": self._move,
            "cancel": self._cancel,
            "enter": self._enter,
            "await": self._await,
            "tight": self._tighten,
            "block": lambda name, value: SystemClock().wait(float(value)),
            "wait": lambda name, value: None,
        }
        table[verb](name, value)

    # What a step asks for.
    def _aim(self, name: str, value: str) -> None:
        self.goals[name] = float(value)

    def _want(self, name: str, side: int, value: str) -> None:
        self.wanted[(name, side)] = int(value)
        if abs(side) == 2:
            self.wanted.pop((name, 1), None)

    def _move(self, name: str, value: str) -> None:
        open_orders = self._open(name, is_stop=False)
        order = self.view.order(open_orders[-1]) if open_orders else None
        if order is not None:
            self.moves += 1
            tick = 10.0 ** -self.view.instrument(name).price_exponent
            price = order.spec.price * tick - order.spec.side * 5 * tick
            self.amend(open_orders[-1], price=price, quantity=self._unit(name))

    def _cancel(self, name: str, value: str) -> None:
        for ref in self._open(name, is_stop=False)[-1:]:
            self.cancel(ref)

    def _enter(self, name: str, value: str) -> None:
        units = float(value or "1")
        side = 1 if units > 0 else -1
        stop = self.view.mark(name) * (1 - side * self.stop_bps / 10_000)
        self.entry[name] = self.bracket(side, abs(units) * self._unit(name), stop=stop,
                                        instrument=name)  # fmt: skip

    def _await(self, name: str, value: str) -> None:
        units = float(value or "1")
        side = 1 if units > 0 else -1
        entry = self.view.mark(name) * (1 - side * self.away_bps / 10_000)
        stop = entry * (1 - side * self.stop_bps / 10_000)
        self.bracket(side, abs(units) * self._unit(name), entry=entry, stop=stop, instrument=name)

    def _tighten(self, name: str, value: str) -> None:
        held = self.view.position(name).quantity
        if not held:
            return
        side = -1 if held > 0 else 1
        old = self._open(name, is_stop=True)
        trigger = self.view.mark(name) * (1 + side * self.stop_bps / 40_000)
        self.stop(side, abs(held), trigger, limit=trigger, instrument=name)
        for ref in old:
            self.cancel(ref)

    # What is asked for until it is so.
    def _pursue(self) -> None:
        for name, goal in self.goals.items():
            held = self.view.position(name).quantity
            away = goal * self._unit(name) - held
            if abs(away) > self._unit(name) / 100 and not self._is_taking(name):
                side = 1 if away > 0 else -1
                self.market(side, abs(away), instrument=name)
        for (name, place), most in self.wanted.items():
            side = 1 if place > 0 else -1
            resting = [ref for ref in self._open(name, is_stop=False) if self._side(ref) == side]
            for ref in resting[most:]:
                self.cancel(ref)
            for number in range(len(resting), most):
                self.limit(side, self._unit(name), self._level(name, place, number),
                           instrument=name)  # fmt: skip

    def _level(self, name: str, place: int, number: int) -> float:
        mark = self.view.mark(name)
        if place == 2:
            return mark * (1 - 0.0004 - 0.0001 * number)
        side = 1 if place > 0 else -1
        return mark * (1 - side * (self.away_bps + number) / 10_000)

    def _is_taking(self, name: str) -> bool:
        kinds = [self.view.order(ref) for ref in self.view.open_orders(name)]
        return any(order is not None and order.spec.type is OrderType.MARKET for order in kinds)

    def _open(self, name: str, *, is_stop: bool) -> list[int]:
        """Open orders that rest: limits, or those that wait for a trigger."""
        found = []
        for ref in self.view.open_orders(name):
            order = self.view.order(ref)
            if order is None or order.spec.type is OrderType.MARKET:
                continue
            if (order.spec.type is not OrderType.LIMIT) is is_stop:
                found.append(ref)
        return found

    def _side(self, ref: int) -> int:
        order = self.view.order(ref)
        return order.spec.side if order is not None else 0

    def _unit(self, name: str) -> float:
        return UNITS[self.view.instrument(name).base]


class ProtectedPlayer(Player):
    """The same with protection: a position without a stop at the venue is repaired or left."""

    protection: ClassVar[Literal["required", "none"]] = "required"
