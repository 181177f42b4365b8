"""I10 and I13: what is sent has the venue's form, and is decided on a price that is one."""

from __future__ import annotations

from typing import Any

from interlock.model.instrument import FixedTick, Instrument
from interlock.model.market import Quote
from interlock.model.rows import AnyRow, IntentRow
from interlock.model.venue import AmendRequest, Answer, PlaceRequest, Request
from interlock.runtime.settings import SECOND
from interlock.runtime.values import Outputs
from interlock.world.judging import Judge
from interlock.world.process import Process
from interlock.world.scene import SETTINGS, Scene

# A price is old after what the engine is told to bear and a little, and wild beyond this share
# (1e-3) of the true one.
OLD_NS = SETTINGS.market_silence_ns + 2 * SECOND
WILD = 40
# So long after the true price jumped an older one may still be under way.
JUMP_NS = 20 * SECOND


class Form(Judge):
    """I10: every price and quantity that leaves, against the rules that held at the last start."""

    invariants = ("I10",)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._known: dict[str, dict[str, Instrument]] = {}

    def started(self, process: Process) -> None:
        """A start reads the venue's newest rules."""
        core = self.scene.exchange.core
        listed = self.scene.exchange.instruments
        self._known[process.name] = {item.id: core.instrument(item.id) for item in listed}

    def leaves(self, process: Process, request: Request) -> None:
        """An order or an amendment is at the door."""
        if not isinstance(request, PlaceRequest | AmendRequest):
            return
        spec = request.spec
        rules = self._known[process.name][spec.instrument]
        fault = _whole(spec.quantity, rules.lot, "quantity")
        fault = fault or (_level(spec.price, rules, "price") if spec.price else "")
        fault = fault or (_level(spec.trigger, rules, "trigger") if spec.trigger else "")
        if isinstance(request, PlaceRequest) and not fault:
            fault = self._size(request, rules)
        self.demand("I10", not fault, f"{request.client_order_id}: {fault}")

    def _size(self, request: PlaceRequest, rules: Instrument) -> str:
        spec, order = request.spec, self.record.orders.get(request.client_order_id)
        most = rules.max_quantity or spec.quantity
        if not rules.min_quantity <= spec.quantity <= most:
            return f"quantity {spec.quantity} is out of the venue's range"
        if order is None or not order.is_entry:
            return ""
        price = spec.price or spec.trigger or order.intent.reference
        worth = rules.notional(price, spec.quantity)
        return f"notional {worth} is below {rules.min_notional}" * (worth < rules.min_notional)


def _level(value: Any, rules: Instrument, name: str) -> str:
    """Why a value is no price that the venue takes, or an empty text."""
    rule = rules.price_rule
    if isinstance(rule, FixedTick):
        return _whole(value, rule.tick, name)
    # So many figures, and no more decimals than there are; a whole price has as many as it likes.
    step = 10 ** max(0, len(str(abs(value))) - rule.figures, rules.price_exponent - rule.decimals)
    return _whole(value, min(step, 10**rules.price_exponent), name)


def _whole(value: Any, step: int, name: str) -> str:
    """Why a value is no positive whole number of steps, or an empty text."""
    if type(value) is not int:
        return f"{name} {value!r} is no integer of units"
    return "" if value > 0 and value % step == 0 else f"{name} {value} is no multiple of {step}"


class _Seen:
    """The last price of one symbol that a process took, and when it was last found true."""

    __slots__ = ("ask", "bid", "ts")

    def __init__(self, quote: Quote, ts: int) -> None:
        self.bid, self.ask, self.ts = quote.bid_units, quote.ask_units, ts


class Prices(Judge):
    """I13: the price that an order was decided on, against the book of the venue."""

    invariants = ("I13",)
    hears = (Quote, Answer)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._seen: dict[tuple[str, str], _Seen] = {}
        self._looked: dict[str, int] = {}
        # How many prices of a symbol were heard: the very first has nothing to be held against.
        self._heard: dict[str, int] = {}
        self._faults: dict[str, str] = {}
        self._jumps, self._ts_jump = 0, 0

    def took(self, process: Process, event: Any, outputs: Outputs) -> None:
        """A price, a look at the book, and orders that were decided on what is known."""
        if type(event) is Quote:
            ahead = process.now_ns() - self.scene.timeline.ts
            seen = _Seen(event, min(self.scene.timeline.ts, event.ts_event - ahead))
            name = event.instrument.id
            self._seen[(process.name, name)] = seen
            self._heard[name] = self._heard.get(name, 0) + 1
            self._jumped()
        elif type(event) is Answer and type(event.content) is int:
            # The middle of the book by another way.
            self._looked[process.name] = self.scene.timeline.ts
        for request in outputs.requests:
            if type(request) is PlaceRequest and not request.spec.reduce_only:
                name = request.spec.instrument
                self._faults[request.client_order_id] = self._fault(process, name)

    def wrote(self, process: Process, row: AnyRow) -> None:
        """Exits are for any weather; what may add risk is not."""
        if not isinstance(row, IntentRow):
            return
        fault = self._faults.pop(row.client_order_id, None)
        if fault is not None and self.record.orders[row.client_order_id].is_entry:
            self.demand("I13", not fault, f"{row.client_order_id} is decided on {fault}")

    def ended(self, process: Process, why: str) -> None:
        """What it knew is gone."""
        self._looked.pop(process.name, None)
        for key in [key for key in self._seen if key[0] == process.name]:
            del self._seen[key]

    def _jumped(self) -> None:
        jumps = self.scene.dice.tally.struck["price_gap"]
        if jumps != self._jumps:
            self._jumps, self._ts_jump = jumps, self.scene.timeline.ts

    def _fault(self, process: Process, symbol: str) -> str:
        seen, ts = self._seen.get((process.name, symbol)), self.scene.timeline.ts
        if seen is None:
            return "no price"
        if not 0 < seen.bid <= seen.ask:
            return f"a touch of {seen.bid} and {seen.ask}"
        age = ts - max(seen.ts, self._looked.get(process.name, 0))
        if age > OLD_NS:
            return f"a price that is {age // 10**6} ms old"
        self._jumped()
        is_first = self._heard.get(symbol, 0) < 2
        if is_first or (self._ts_jump and ts < self._ts_jump + JUMP_NS):
            return ""
        true = self.scene.exchange.core.state.markets[symbol].middle()
        apart = abs((seen.bid + seen.ask) // 2 - true)
        return f"{(seen.bid + seen.ask) // 2}, the market is at {true}" * (
            apart * 1_000 > WILD * true
        )
