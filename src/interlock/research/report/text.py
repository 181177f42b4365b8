"""Write numbers, times and lists of a result for a reader."""

import datetime
import re
from collections.abc import Mapping
from typing import Any

from interlock.research.metrics import DEFINITIONS

MINUS = "\u2212"
NONE = "\u2013"


def metric(
    name: str, metrics: Mapping[str, Any], *, currency: str = "", brief: bool = False
) -> str:
    """A metric as text with its unit; a dash where it has no value."""
    value = metrics.get(name)
    if value is None:
        return NONE
    unit = DEFINITIONS[name].unit
    if unit == "fraction":
        return percent(value, signed=name in _SIGNED)
    if unit == "money":
        return money(value, currency, brief=brief)
    if unit == "count":
        return f"{value:,.0f}"
    suffix = {"days": " days", "hours": " h", "per_day": " per day", "per_year": " x"}
    return number(value) + suffix.get(unit, "")


_SIGNED = frozenset(
    ("total_return", "cagr", "alpha", "benchmark_return", "best_day", "worst_day", "best_month",
     "worst_month", "average_exposure")
)  # fmt: skip


def percent(fraction: float, *, signed: bool = False, digits: int = 2) -> str:
    """A fraction as a percentage with a true minus sign."""
    text = f"{fraction * 100:{'+' if signed else ''},.{digits}f}"
    if float(text.replace(",", "")) == 0.0:
        text = f"{0:.{digits}f}"
    return text.replace("-", MINUS) + "\u00a0%"


def money(value: float, currency: str, *, brief: bool = False) -> str:
    """An amount with two decimals (none from 1,000 up in `brief`), thousands and currency."""
    text = f"{value:,.0f}" if brief and abs(value) >= 1_000 else f"{value:,.2f}"
    if text in ("-0.00", "-0"):
        text = text[1:]
    return f"{text.replace('-', MINUS)}\u00a0{currency}".rstrip("\u00a0")


def number(value: float) -> str:
    """A plain number with two decimals, three significant digits when small."""
    if value == 0.0:
        return "0.00"  # A negative zero, too.
    text = f"{value:,.2f}" if abs(value) >= 0.1 else f"{value:.3g}"
    return text.replace("-", MINUS)


def moment(ts: int | None, *, with_time: bool = True) -> str:
    """A time in ns UTC as `2024-01-31 13:45`."""
    if ts is None:
        return NONE
    when = datetime.datetime.fromtimestamp(ts // 1_000_000_000, tz=datetime.UTC)
    return f"{when:%Y-%m-%d %H:%M}" if with_time else f"{when:%Y-%m-%d}"


def counter(name: str) -> str:
    """The name of a counter as words: ``ambiguous_bars`` and ``FundingPaid`` alike."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ")
    return words.capitalize()


def duration(length_ns: int) -> str:
    """A span in its largest two units, such as `3 d 4 h`."""
    seconds = length_ns // 1_000_000_000
    for size, unit, rest, small in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min")):
        if seconds >= size:
            tail = seconds % size // rest
            return f"{seconds // size} {unit}" + (f" {tail} {small}" if tail else "")
    return f"{seconds // 60} min" if seconds >= 60 else f"{length_ns / 1e9:.3g} s"


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted names with text values, in their order."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flatten(value, name + ".")
        elif isinstance(value, list | tuple):
            flat[name] = ", ".join(str(item) for item in value)
        else:
            flat[name] = str(value)
    return flat
