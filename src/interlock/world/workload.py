"""Who trades in the world, and how: strategies that decide by seed, in bursts and badly."""

from __future__ import annotations

import msgspec

from interlock.model.instrument import Instrument
from interlock.model.market import Quote
from interlock.model.order import OrderSpec, OrderType, TimeInForce
from interlock.strategy.api import Strategy
from interlock.world.chance import Chance
from interlock.world.lines import LISTED

# Between two decisions that no quote sets off, in some plans.
BELL_NS = 4_000_000_000


def is_crossed(quote: Quote) -> bool:
    """A bid above the ask: money for nothing to whoever believes it, so he acts at once."""
    return quote.bid_units > quote.ask_units > 0


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan wants of one strategy: on what, until when, how often, and when it fails.

    At a ``pace`` of a million it acts on every quote.
    """

    seed: int
    instrument: Instrument
    until: int
    pace: int
    fails: tuple[int, ...] = ()
    has_stop_limits: bool = False


class _Planned(Strategy):
    """What both have: chance of their own, one instrument, when to stop and when to fail."""

    def __init__(self, part: Part) -> None:
        super().__init__()
        self.chance = Chance(part.seed, f"{type(self).__name__.lower()} {part.instrument.id}")
        self.fails = list(part.fails)
        self.instrument = part.instrument
        self.until = part.until
        self.pace = part.pace
        self.has_stop_limits = part.has_stop_limits

    # Asked for, not kept: what a strategy keeps is in its snapshots.
    @property
    def step(self) -> int:
        """What its prices go by, price units."""
        return LISTED[self.instrument.id].step

    @property
    def clip(self) -> int:
        """What its sizes go by, quantity units."""
        return LISTED[self.instrument.id].clip

    def hears(self, quote: Quote) -> bool:
        """Whether a quote is one to decide on; raises where the plan wants it to."""
        if quote.ts_event >= self.until or quote.instrument.id != self.instrument.id:
            return False
        if self.fails and quote.ts_event >= self.fails[0]:
            self.fails.pop(0)
            raise ArithmeticError("the plan wants the strategy to fail here")
        return True


class Restless(_Planned):
    """Enters, amends, cancels and leaves; a pure function of the quotes and timers it hears.

    In every third plan it also decides by the clock, on the last bid that it has heard.
    """

    protection = "none"

    def __init__(self, part: Part) -> None:
        super().__init__(part)
        self.refs: list[int] = []
        self.bid = 0
        self.has_bell = Chance(part.seed, "bell").below(3) == 0

    def on_quote(self, quote: Quote) -> None:
        if not self.hears(quote):
            return
        if self.has_bell and not self.bid:
            self.timer("bell", quote.ts_event + BELL_NS)
        self.bid = quote.bid_units
        if is_crossed(quote):
            self.place(OrderSpec(self.instrument.id, 1, 20 * self.clip))
            return
        chance = self.chance
        if not chance.happens(self.pace):
            return
        self.refs = [ref for ref in self.refs if self.view.is_open(ref)]
        for _ in range(1 + (chance.below(12) == 0) * chance.below(4)):
            self._act()

    def on_timer(self, name: str) -> None:
        ts = self.view.ts_event
        if ts < self.until and self.bid > 0:
            self.timer(name, ts + BELL_NS)
            self._act()

    def _act(self) -> None:
        chance, name = self.chance, self.instrument.id
        draw, side = chance.below(14), 1 if chance.below(2) else -1
        size = chance.between(2, 8) * self.clip * 10
        price = self.bid + chance.between(-20, 20) * self.step
        if draw < 3:
            self.refs.append(self.place(OrderSpec(name, side, size)))
        elif draw < 7:
            self.refs.append(self.place(OrderSpec(name, side, size, OrderType.LIMIT, price)))
        elif draw < 9 and self.refs:
            self.cancel(self.refs[chance.below(len(self.refs))])
        elif draw == 9 and self.refs:
            self._amend(self.refs[0], size)
        elif draw == 10:
            self.close(instrument=name)
        elif draw == 11:
            spec = OrderSpec(
                name, side, size, OrderType.LIMIT, price, time_in_force=TimeInForce.IOC
            )
            self.refs.append(self.place(spec))
        elif draw == 12:
            self._stop(side, size)

    def _amend(self, ref: int, size: int) -> None:
        order = self.view.order(ref)
        if order is not None and order.spec.price:
            whole = 10**self.instrument.quantity_exponent
            self.amend(ref, quantity=(order.filled + size) / whole)

    def _stop(self, side: int, size: int) -> None:
        trigger = self.bid + side * self.chance.between(15, 60) * self.step
        spec = OrderSpec(self.instrument.id, side, size, OrderType.STOP_MARKET, trigger=trigger)
        self.refs.append(self.place(spec))


class Bracketed(_Planned):
    """Enters with a stop and a target when it is flat; every position must be protected."""

    protection = "required"

    def on_quote(self, quote: Quote) -> None:
        name = self.instrument.id
        if self.has_stop_limits and quote.instrument.id == name:
            self._soften(self.view.position_units(name), quote)
        if not self.hears(quote):
            return
        if self.view.open_orders() or self.view.position_units(name):
            return
        if not is_crossed(quote) and not self.chance.happens(self.pace):
            return
        side = 1 if self.chance.below(2) else -1
        unit = 10**self.instrument.price_exponent
        mark, away = quote.bid_units / unit, self.chance.between(20, 80) * self.step / unit
        size = self.chance.between(2, 6) * self.clip * 10
        whole = 10**self.instrument.quantity_exponent
        stop, target = mark - side * away, mark + side * away * 1.5
        self.bracket(side, size / whole, stop=stop, target=target, instrument=name)

    def _soften(self, held: int, quote: Quote) -> None:
        """A nearer stop that becomes a limit order at its trigger; it goes with the position.

        A new one is trading, and ends with it: where the market rests away from its last trade, the
        venue would refuse one after the other.
        """
        # Asked for, not remembered: a crash may take the market that it was decided on.
        soft = [ref for ref in self.view.open_orders() if self._is_soft(ref)]
        price = quote.bid_units
        if soft:
            if not held:
                self.cancel(soft[0])
        elif held and price > 0 and quote.ts_event < self.until:
            side = -1 if held > 0 else 1
            trigger = price + side * self.chance.between(4, 15) * self.step
            kind, name = OrderType.STOP_LIMIT, self.instrument.id
            spec = OrderSpec(name, side, abs(held), kind, trigger, trigger, tag="stop")
            self.place(msgspec.structs.replace(spec, reduce_only=True))

    def _is_soft(self, ref: int) -> bool:
        order = self.view.order(ref)
        return order is not None and order.spec.type is OrderType.STOP_LIMIT
