"""The two forms of a strategy: callbacks over a read-only view, and a target over features."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol

from interlock.model.events import Report
from interlock.model.instrument import Instrument
from interlock.model.market import Bar, Book, Quote, Trade
from interlock.model.order import OrderSpec, OrderType, TimeInForce
from interlock.strategy.amounts import (
    Number,
    StrategyError,
    exposure_units,
    price_units,
    quantity_units,
    signed_quantity_units,
)
from interlock.strategy.intents import Amend, Cancel, CancelAll, Intent, Place, Target, Timer
from interlock.strategy.parameters import Parametrized
from interlock.strategy.view import Fill, View

__all__ = [
    "STEPS",
    "Followed",
    "Indicator",
    "Number",
    "Strategy",
    "StrategyError",
    "TargetStrategy",
    "exposure_units",
    "price_units",
    "quantity_units",
    "signed_quantity_units",
    "timeframe_ns",
]


class Indicator(Protocol):
    """An incremental indicator: ``update`` takes the sources of one bar."""

    @property
    def value(self) -> Any: ...
    @property
    def ready(self) -> bool: ...
    def update(self, *values: float) -> Any: ...


class Followed:
    """An indicator that is updated with every bar before the strategy sees the bar.

    The feed may bind a column that the same update function filled ahead of time; the value on a
    row is the same either way, and rows after the cursor stay out of reach.
    """

    __slots__ = ("_column", "_cursor", "indicator", "instrument", "sources", "step_ns")

    def __init__(
        self, indicator: Indicator, instrument: str, step_ns: int, sources: tuple[str, ...]
    ) -> None:
        self.indicator = indicator
        self.instrument = instrument
        self.step_ns = step_ns
        self.sources = sources
        self._column: Any = None
        self._cursor: Any = None

    @property
    def is_live(self) -> bool:
        """Whether the indicator is updated bar by bar, not read from a column."""
        return self._column is None

    def takes(self, bar: Bar) -> bool:
        """Whether a bar is of the followed instrument and time frame."""
        return self.instrument == bar.instrument.id and self.step_ns in (0, bar.step_ns)

    @property
    def value(self) -> Any:
        """The value after the latest bar; NaN while warming up."""
        if self._column is None:
            return self.indicator.value
        return self._column[self._cursor._row]

    @property
    def ready(self) -> bool:
        """Whether enough bars have passed."""
        if self._column is None:
            return self.indicator.ready
        value = self._column[self._cursor._row]
        return bool(value == value)

    def update(self, bar: Bar) -> None:
        """Take the bar in."""
        self.indicator.update(*[getattr(bar, name) for name in self.sources])

    def bind(self, column: Any, cursor: Bar) -> None:
        """Read values from a column that was filled by the same update function."""
        self._column = column
        self._cursor = cursor


class Strategy(Parametrized):
    """Callbacks over a read-only view; orders are placed by the methods or by returned intents.

    ``protection`` "required" denies an entry that brings no covering stop. ``warmup`` bars pass
    before the first ``on_bar``. ``timeframes`` are larger bars aggregated from the data ("1h").
    """

    protection: ClassVar[Literal["required", "none"]] = "none"
    warmup: int = 0
    timeframes: ClassVar[tuple[str, ...]] = ()

    view: View

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self._outbox: list[Intent] = []
        self._next_ref = 1
        self._followed: list[Followed] = []

    # What an author overrides; each may return an intent or a sequence of intents.
    def scan(self, low: int, high: int) -> int:
        """The first row of ``[low, high)`` on which ``on_bar`` could act, ``high`` for none.

        A hint for runs over one series of bars: rows before it are not announced. It may rely on
        nothing changing but the price until then. Every row, unless a subclass knows better.
        """
        return low

    def on_start(self) -> Any:
        """Called once, before the first event."""

    def on_past(self, bars: Sequence[Bar]) -> None:
        """Called live, where a run looks back, with closed bars of before the first ``on_bar``.

        They are of one instrument and step, oldest first. Nothing may be placed on them.
        """

    def on_bar(self, bar: Bar) -> Any:
        """Called for each complete bar."""

    def on_quote(self, quote: Quote) -> Any:
        """Called when the touch is quoted."""

    def on_trade(self, trade: Trade) -> Any:
        """Called for each trade of others."""

    def on_book(self, book: Book) -> Any:
        """Called after each message that changed the book."""

    def on_fill(self, fill: Fill) -> Any:
        """Called for each execution of an own order."""

    def on_order(self, ref: int, report: Report) -> Any:
        """Called for each report of the venue about an own order."""

    def on_timer(self, name: str) -> Any:
        """Called when a timer comes due."""

    def on_stop(self) -> Any:
        """Called once, after the last event."""

    # What an author calls.
    def place(self, spec: OrderSpec) -> int:
        """Place an order given in integer units; returns its reference."""
        ref = self._next_ref
        self._next_ref = ref + 1
        self._outbox.append(Place(ref, spec))
        return ref

    def market(
        self,
        side: int,
        quantity: Number,
        *,
        instrument: str = "",
        reduce_only: bool = False,
        tag: str = "",
    ) -> int:
        """Buy (+1) or sell (-1) at the market; quantity in base units, cut to the lot."""
        traded = self._instrument(instrument)
        size = quantity_units(traded, quantity)
        return self.place(OrderSpec(traded.id, side, size, reduce_only=reduce_only, tag=tag))

    def limit(
        self,
        side: int,
        quantity: Number,
        price: Number,
        *,
        instrument: str = "",
        **options: Any,
    ) -> int:
        """Rest at a price, rounded to the passive side of the tick.

        Options: post_only, reduce_only, time_in_force, expire_ts, tag.
        """
        traded = self._instrument(instrument)
        level = price_units(traded, price, up=side < 0)
        size = quantity_units(traded, quantity)
        return self.place(
            OrderSpec(traded.id, side, size, OrderType.LIMIT, level, **_options(options))
        )

    def stop(
        self,
        side: int,
        quantity: Number,
        trigger: Number,
        *,
        limit: Number | None = None,
        instrument: str = "",
        **options: Any,
    ) -> int:
        """A stop-market order, or with ``limit`` a stop-limit order; reduce-only by default."""
        traded = self._instrument(instrument)
        kind = OrderType.STOP_MARKET if limit is None else OrderType.STOP_LIMIT
        level = 0 if limit is None else price_units(traded, limit, up=side < 0)
        spec = OrderSpec(
            traded.id,
            side,
            quantity_units(traded, quantity),
            kind,
            level,
            price_units(traded, trigger, up=side > 0),
            **_options({"reduce_only": True, **options}),
        )
        return self.place(spec)

    def take_profit(
        self,
        side: int,
        quantity: Number,
        trigger: Number,
        *,
        instrument: str = "",
        **options: Any,
    ) -> int:
        """A market order at a favorable trigger; reduce-only by default."""
        traded = self._instrument(instrument)
        spec = OrderSpec(
            traded.id,
            side,
            quantity_units(traded, quantity),
            OrderType.TAKE_PROFIT,
            0,
            price_units(traded, trigger, up=side < 0),
            **_options({"reduce_only": True, **options}),
        )
        return self.place(spec)

    def trailing_stop(
        self, side: int, quantity: Number, distance: Number, *, instrument: str = "", tag: str = ""
    ) -> int:
        """A reduce-only stop that follows the best price at ``distance`` quote units."""
        traded = self._instrument(instrument)
        trail = max(1, price_units(traded, distance, up=True))
        return self.place(
            OrderSpec(
                traded.id,
                side,
                quantity_units(traded, quantity),
                OrderType.TRAILING_STOP,
                trail=trail,
                reduce_only=True,
                tag=tag,
            )
        )

    def bracket(
        self,
        side: int,
        quantity: Number,
        *,
        stop: Number,
        target: Number | None = None,
        entry: Number | None = None,
        instrument: str = "",
    ) -> int:
        """An entry (market, or limit at ``entry``) with a stop and a target that cancel each other.

        Returns the entry's reference; the stop has the next one, the target the one after. Their
        tags are entry, stop and target.
        """
        traded = self._instrument(instrument)
        size = quantity_units(traded, quantity)
        level = 0 if entry is None else price_units(traded, entry, up=side < 0)
        kind = OrderType.MARKET if entry is None else OrderType.LIMIT
        parent = self.place(OrderSpec(traded.id, side, size, kind, level, tag="entry"))
        exits: dict[str, Any] = {"reduce_only": True, "oco": parent, "parent": parent}
        trigger = price_units(traded, stop, up=side < 0)
        self.place(
            OrderSpec(
                traded.id, -side, size, OrderType.STOP_MARKET, 0, trigger, tag="stop", **exits
            )
        )
        if target is not None:
            goal = price_units(traded, target, up=side > 0)
            self.place(
                OrderSpec(traded.id, -side, size, OrderType.LIMIT, goal, tag="target", **exits)
            )
        return parent

    def target_exposure(
        self, exposure: float, *, instrument: str = "", band: float = 0.0, tag: str = ""
    ) -> int:
        """Bring the position to a signed share of the strategy's equity (1.0 = all of it)."""
        traded = self._instrument(instrument)
        wanted = exposure_units(exposure)
        ref = self._next_ref
        self._next_ref = ref + 1
        self._outbox.append(
            Target(ref, traded.id, exposure=wanted, band=exposure_units(band), tag=tag)
        )
        return ref

    def target_quantity(self, quantity: float, *, instrument: str = "", tag: str = "") -> int:
        """Bring the position to a signed quantity in base units, cut to the lot."""
        traded = self._instrument(instrument)
        wanted = signed_quantity_units(traded, quantity)
        ref = self._next_ref
        self._next_ref = ref + 1
        self._outbox.append(Target(ref, traded.id, quantity=wanted, tag=tag))
        return ref

    def close(self, *, instrument: str = "", tag: str = "close") -> int:
        """Close the strategy's position at the market."""
        return self.target_quantity(0, instrument=instrument, tag=tag)

    def cancel(self, ref: int) -> None:
        """Cancel one order."""
        self._outbox.append(Cancel(ref))

    def cancel_all(self, *, instrument: str = "") -> None:
        """Cancel every open order of the strategy on an instrument."""
        self._outbox.append(CancelAll(self._instrument(instrument).id))

    def amend(
        self,
        ref: int,
        *,
        quantity: Number | None = None,
        price: Number | None = None,
        trigger: Number | None = None,
    ) -> None:
        """Change total quantity, price or trigger of an open order."""
        order = self.view.order(ref)
        if order is None:
            raise StrategyError(f"there is no open order with reference {ref} to amend")
        traded = self.view.instrument(order.spec.instrument)
        sell = order.spec.side < 0
        self._outbox.append(
            Amend(
                ref,
                0 if quantity is None else quantity_units(traded, quantity),
                0 if price is None else price_units(traded, price, up=sell),
                0 if trigger is None else price_units(traded, trigger, up=not sell),
            )
        )

    def timer(self, name: str, ts_due: int) -> None:
        """Have ``on_timer(name)`` called at ``ts_due`` ns."""
        self._outbox.append(Timer(name, ts_due))

    def follow(
        self,
        indicator: Indicator,
        *sources: str,
        instrument: str = "",
        timeframe: str = "",
    ) -> Followed:
        """Update the indicator with every bar (``sources`` default to the close)."""
        traded = self._instrument(instrument)
        followed = Followed(
            indicator, traded.id, timeframe_ns(timeframe) if timeframe else 0, sources or ("close",)
        )
        self._followed.append(followed)
        return followed

    def snapshot(self) -> dict[str, Any]:
        """The author's own state, as a deep copy: what ``restore`` brings back."""
        kept = ("view", "_outbox")
        # In one copy: an indicator that is held in two places stays one indicator.
        return copy.deepcopy({k: v for k, v in vars(self).items() if k not in kept})

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back a state from ``snapshot``."""
        for key, value in copy.deepcopy(dict(state)).items():
            setattr(self, key, value)

    def _instrument(self, instrument: str) -> Instrument:
        return self.view.instrument(instrument)


class TargetStrategy(Parametrized):
    """Causal features over columns and a target exposure from them; also compiled for sweeps.

    ``features(bars)`` returns named float columns of the length of the bars; ``target(f,
    position)`` is a plain function of the features and parameters of one row (``f.name``) and the
    present position, in the unit it returns: a share of equity, or base units where ``sizing`` is
    "quantity". Rows on which a feature is NaN make no decision.
    """

    sizing: ClassVar[Literal["exposure", "quantity"]] = "exposure"
    rebalance_band: float = 0.05
    warmup: int = 0

    def features(self, bars: Any) -> Mapping[str, Any]:
        """Named columns, each value from rows up to its own only."""
        raise NotImplementedError(f"{type(self).__name__} must define features(self, bars)")

    @staticmethod
    def target(f: Any, position: float) -> float:
        """The wanted exposure (or quantity) on one row."""
        raise NotImplementedError("a target strategy must define target(f, position)")


STEPS: Mapping[str, int] = {
    f"{count}{unit}": count * size * 10**9
    for unit, size, counts in (
        ("s", 1, (1, 5, 10, 15, 30)),
        ("m", 60, (1, 3, 5, 10, 15, 30)),
        ("h", 3600, (1, 2, 4, 6, 8, 12)),
        ("d", 86400, (1,)),
        ("w", 604800, (1,)),
    )
    for count in counts
}


def timeframe_ns(name: str) -> int:
    """Length of a bar in ns: "1m", "1h", "1d"."""
    if name not in STEPS:
        raise StrategyError(f"time frame {name!r} is not one of {', '.join(STEPS)}")
    return STEPS[name]


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    """The optional fields of an order, by their own names."""
    allowed: Sequence[str] = (
        "post_only",
        "reduce_only",
        "time_in_force",
        "expire_ts",
        "tag",
        "oco",
        "parent",
    )
    for key in given:
        if key not in allowed:
            raise StrategyError(f"{key!r} is no order option; there are: {', '.join(allowed)}")
    chosen = dict(given)
    if chosen.get("expire_ts"):
        chosen.setdefault("time_in_force", TimeInForce.GTD)
    if "time_in_force" in chosen:
        chosen["time_in_force"] = TimeInForce(chosen["time_in_force"])
    return chosen
