"""A target strategy in the kernel as it is: its features once, its target on every bar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import repeat
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from interlock.model.instrument import Instrument
from interlock.model.market import Bar
from interlock.model.units import RATE_SCALE
from interlock.strategy.api import (
    Strategy,
    StrategyError,
    TargetStrategy,
    exposure_units,
    signed_quantity_units,
)
from interlock.strategy.columns import BarColumns, Prices
from interlock.strategy.intents import Target

Floats = NDArray[np.float64]
_AHEAD = 1024
_MONEY_MAX = 1 << 61
_EQUITY_MIN = 10 * RATE_SCALE
# A target that returns no number: its row is announced, and refused where it is decided.
_INCOMPARABLE = (TypeError, ValueError)


class FeatureBars:
    """Bars as float64 columns for ``features``: open, high, low, close, volume; ts is the open.

    A column is made at its first use and is the same object afterwards, so that what is computed
    from it can be remembered.
    """

    def __init__(self, columns: BarColumns) -> None:
        self.columns = columns
        self.instrument = columns.instrument
        self.step_ns = columns.step_ns
        self._made: dict[str, Floats] = {}

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def ts(self) -> NDArray[np.int64]:
        """Open times, ns."""
        return self.columns.ts

    @property
    def open(self) -> Floats:
        """Opens in quote units."""
        return self._prices("open")

    @property
    def high(self) -> Floats:
        """Highs in quote units."""
        return self._prices("high")

    @property
    def low(self) -> Floats:
        """Lows in quote units."""
        return self._prices("low")

    @property
    def close(self) -> Floats:
        """Closes in quote units."""
        return self._prices("close")

    @property
    def volume(self) -> Floats:
        """Volumes in base units."""
        if "volume" not in self._made:
            values = self.columns.quantities("volume")
            values.flags.writeable = False
            self._made["volume"] = values
        return self._made["volume"]

    def _prices(self, name: str) -> Floats:
        if name not in self._made:
            exponent = self.instrument.price_exponent
            self._made[name] = Prices.of(getattr(self.columns, name), exponent)
        return self._made[name]


def feature_columns(strategy: TargetStrategy, bars: FeatureBars) -> dict[str, Floats]:
    """The features of a strategy as float64 columns, checked for shape and name."""
    name = type(strategy).__name__
    found = strategy.features(bars)
    if not isinstance(found, Mapping):
        raise StrategyError(
            f"{name}.features returned a {type(found).__name__}; return a dict of named columns"
        )
    made: dict[str, Floats] = {}
    for key, values in found.items():
        if key in strategy.parameters or not key.isidentifier() or key.startswith("_"):
            raise StrategyError(
                f"{name}.features: {key!r} must be an identifier that is no parameter's name"
            )
        try:
            column = np.ascontiguousarray(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise StrategyError(
                f"{name}.features: column {key} is not numeric ({error}); return one number for "
                "each bar, NaN where there is none"
            ) from None
        if column.shape != (len(bars),):
            raise StrategyError(
                f"{name}.features: column {key} has shape {column.shape}, the bars have "
                f"{len(bars)} rows; return one value for each bar"
            )
        made[key] = column
    return made


class Aiming(Strategy):
    """Brings the position to what a target strategy returns for one row; the same in every mode."""

    def __init__(self, strategy: TargetStrategy) -> None:
        super().__init__()
        self._aim_for(strategy)
        self._scale = 1.0

    def _aim_for(self, strategy: TargetStrategy) -> None:
        self.subject = strategy
        self._by_exposure = strategy.sizing == "exposure"
        self._band = exposure_units(strategy.rebalance_band)

    def _trades(self, instrument: Instrument) -> None:
        self._scale = 10.0**instrument.quantity_exponent

    def _decide(self, bar: Bar, record: Any) -> Target | None:
        view = self.view
        held = view.position_units()
        position = held / self._scale
        if self._by_exposure:
            position = view.exposure() if held else 0.0
        wanted = self.subject.target(record, position)
        number = wanted if type(wanted) is float else self._number(wanted, bar)
        if number - number:  # Zero for every number but NaN and the infinities.
            raise self._refused(wanted, bar, "target must return a finite number")
        if self._by_exposure:
            try:
                exposure = exposure_units(number)
            except StrategyError:
                raise self._refused(
                    wanted, bar, "an exposure is a share of equity, below 1e6"
                ) from None
            if not exposure and not held and not view.open_orders():
                return None
            return Target(self._ref(), bar.instrument.id, exposure=exposure, band=self._band)
        # The position itself is left as it is, also where its float does not give it back.
        quantity = held if number == position else self._quantity(number, bar)
        if quantity == held and not view.open_orders():
            return None
        return Target(self._ref(), bar.instrument.id, quantity=quantity)

    def _quantity(self, number: float, bar: Bar) -> int:
        try:
            return signed_quantity_units(bar.instrument, number)
        except StrategyError as error:
            raise self._refused(number, bar, str(error)) from None

    def _number(self, wanted: object, bar: Bar) -> float:
        """What is no float but means one: an integer, a scalar of numpy, a Decimal."""
        # Text is refused although float() reads some: a target that returns it is a mistake.
        if not isinstance(wanted, str | bytes | bytearray):
            try:
                return float(wanted)  # type: ignore[arg-type]
            except (TypeError, ValueError, OverflowError):
                pass
        raise self._refused(wanted, bar, "target must return a number")

    def _refused(self, wanted: object, bar: Bar, rule: str) -> StrategyError:
        # Here, because a run that goes well needs nothing of the catalog.
        from interlock.research.catalog.times import iso

        shown = f"{repr(wanted)[:60]} ({type(wanted).__name__})"
        if isinstance(wanted, float):
            shown = "NaN" if wanted != wanted else f"{float(wanted):g}"
        return StrategyError(
            f"{type(self.subject).__name__}.target returned {shown} on the bar of "
            f"{iso(bar.ts_open)} (row {bar._row} of {bar.instrument.id}, "
            f"close {bar.instrument.price_text(bar.close_units)} {bar.instrument.quote}): {rule}; "
            "return a number, or the position to leave it as it is"
        )

    def _ref(self) -> int:
        ref = self._next_ref
        self._next_ref = ref + 1
        return ref


class TargetRunner(Aiming):
    """Calls ``target`` on each complete bar and brings the position to what it returns.

    ``exposure_max`` is the largest exposure that the run allows, in 1e-6 of equity.
    """

    def __init__(
        self, strategy: TargetStrategy, columns: BarColumns, *, exposure_max: int = 0
    ) -> None:
        super().__init__(strategy)
        self._exposure_max = exposure_max
        self.warmup = strategy.warmup
        self.columns = columns
        self._trades(columns.instrument)
        self._features = feature_columns(strategy, FeatureBars(columns))
        parameters = strategy.parameter_values()
        self._record = msgspec.defstruct(
            "Features", [(key, Any) for key in (*self._features, *parameters)], gc=False
        )
        self._views = [column.data for column in self._features.values()]
        self._fixed = [repeat(value) for value in parameters.values()]
        ready = np.ones(len(columns), dtype=bool)
        for column in self._features.values():
            ready &= column == column
        self._ready = ready.tobytes()
        self.notes = _notes(strategy, self._features, any_ready=bool(ready.any()))

    def on_bar(self, bar: Bar) -> Target | None:
        """One decision; a row with a feature that is not ready makes none."""
        row = bar._row
        if not self._ready[row]:
            return None
        return self._decide(bar, next(self._records(row, row + 1)))

    def on_stop(self) -> None:
        """Let go of the columns: what follows a run needs the room."""
        self._features, self._views, self._ready = {}, [], b""

    def scan(self, low: int, high: int) -> int:
        """The first row from ``low`` on which this acts with the position it has, else ``high``.

        Between two acts nothing of the strategy changes, so rows up to there need no event.
        """
        held = self.view.position_units()
        if self._by_exposure and held:
            return self._scan_held(low, high, held)
        position = held / self._scale
        target = self.subject.target
        first = self._ready.find(b"\x01", low, high)
        if first < 0:
            return high
        rows = zip(self._ready[first:high], self._records(first, high), strict=True)
        row = first
        with suppress(*_INCOMPARABLE):
            for ready, record in rows:
                if ready and target(record, position) != position:
                    break
                row += 1
        return row

    def _scan_held(self, low: int, high: int, held: int) -> int:
        """``scan`` while a position is held whose share of equity moves with the price."""
        beside, row = self.view.equity_beside(), low
        while row < high:
            shares = _shares(self.columns, beside, held, row, min(high, row + _AHEAD))
            passed = self._pass(row, shares, held)
            row += passed
            if passed < min(_AHEAD, high - row + passed):
                break
        return row

    def _pass(self, low: int, shares: list[float], held: int) -> int:
        """How many rows from ``low`` on leave the position as it is, of those with a share."""
        target = self.subject.target
        high = low + len(shares)
        row, decided, last, least, most = 0, 0, None, 1.0, 0.0
        rows = zip(self._ready[low:high], self._records(low, high), shares, strict=True)
        with suppress(*_INCOMPARABLE):
            for is_ready, record, share in rows:
                if is_ready:
                    wanted = target(record, share)
                    if wanted != last:
                        last = wanted
                        least, most = self._quiet(wanted, held)
                    if not least <= share <= most:
                        break
                    decided += 1
                row += 1
        # Every decision has a reference, also one that leaves the position as it is.
        self._next_ref += decided
        return row

    def _quiet(self, wanted: float, held: int) -> tuple[float, float]:
        """The shares of equity that a wanted one leaves as they are for certain, least and most.

        The band is drawn in by the rounding of exact money; what lies on its edge is decided there.
        """
        band, nothing = self._band - 1, (1.0, 0.0)
        if not -1e6 < wanted < 1e6:
            return nothing
        exposure = exposure_units(wanted)
        if band < 1 or not 0 < abs(exposure) <= self._exposure_max or (exposure > 0) != (held > 0):
            return nothing
        return (exposure - band) / RATE_SCALE, (exposure + band) / RATE_SCALE

    def _records(self, low: int, high: int) -> Iterator[Any]:
        """Features and parameters of the rows, one record each."""
        if not self._views:
            values = [next(item) for item in self._fixed]
            return repeat(self._record(*values), high - low)
        return map(self._record, *[view[low:high] for view in self._views], *self._fixed)


def _shares(columns: BarColumns, beside: int | None, held: int, low: int, high: int) -> list[float]:
    """The position's share of equity at each close, up to the first that is not to be told here.

    ``beside`` is the equity without the position, in money units. The shares are those of the
    view, to the last bit; without a proof that 64 bits hold them there are none.
    """
    numerator, denominator = columns.instrument.money_factor
    closes = columns.close[low:high]
    factor = held * numerator
    if beside is None or denominator != 1:
        return []
    if abs(beside) >= _MONEY_MAX or int(closes.max()) * abs(factor) >= _MONEY_MAX:
        return []
    values = closes * factor
    equity = values + beside
    # With this much equity a unit of money is far less than a unit of exposure.
    few = equity < _EQUITY_MIN
    end = int(few.argmax()) if few.any() else len(closes)
    shares: list[float] = (values[:end].astype(np.float64) / equity[:end]).tolist()
    return shares


def _notes(
    strategy: TargetStrategy, features: Mapping[str, Floats], *, any_ready: bool
) -> tuple[str, ...]:
    """What an author should know of the features: those that come late, or never."""
    name, firsts = type(strategy).__name__, {}
    for key, column in features.items():
        known = column == column
        firsts[key] = int(known.argmax()) if known.any() else len(column)
    if not any_ready:
        never = [key for key, first in firsts.items() if first == len(features[key])]
        why = (
            f"{', '.join(never)} is NaN on every row" if never else "they are never there together"
        )
        return (f"{name}: no row has all features ({why}); no decision was made",)
    return tuple(
        f"{name}: feature {key} starts at row {first}, warmup says {strategy.warmup}; "
        f"set warmup = {first}"
        for key, first in firsts.items()
        if 0 < strategy.warmup < first
    )
