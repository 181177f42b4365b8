"""The one error of this protocol's readers: bytes that do not say what they must."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import TypeVar

import msgspec

from interlock.model.units import UnitError, parse_units

_T = TypeVar("_T")

# Longer than any number the venue writes; a longer one is a mistake or an attack.
_TEXT_MAX = 40
# So many digits fit into a column of market data whatever they are.
_SHORT = 18
# What a column of market data can hold.
_UNITS_MAX = 2**62
_EXCERPT = 120


class WireFault(ValueError):
    """A message that is not what the protocol promises; the text names the part and the rule."""


def decoder(shape: type[_T]) -> Callable[[bytes], _T]:
    """A JSON reader of one shape that fails with WireFault and nothing else."""
    name = getattr(shape, "__name__", str(shape))
    inner: msgspec.json.Decoder[_T] = msgspec.json.Decoder(shape)

    def read(body: bytes) -> _T:
        try:
            return inner.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
            raise WireFault(f"{excerpt(body)!r} is no {name}: {fault}") from None

    return read


# Prices, sizes and fees come again and again, in lists of executions and in every message.
@lru_cache(maxsize=4096)
def units(text: str, exponent: int, what: str) -> int:
    """Integer units of a decimal text; refuses what is finer, too long, or no plain number."""
    whole, _, part = text.partition(".")
    if len(part) != exponent:
        part = part.rstrip("0").ljust(exponent, "0")
    digits = whole + part
    is_short = len(digits) <= _SHORT and len(text) <= _TEXT_MAX and len(part) == exponent
    # As the venue writes nearly all its numbers; what is else takes the long way.
    if is_short and whole[-1:].isdigit() and digits.removeprefix("-").isdigit() and text.isascii():
        return int(digits)
    if not text or len(text) > _TEXT_MAX or not text.isascii() or "_" in text:
        raise WireFault(f"{what} {text[:_TEXT_MAX]!r} is no decimal number")
    try:
        value = parse_units(text, exponent)
    except UnitError as fault:
        raise WireFault(f"{what}: {fault}") from None
    if abs(value) > _UNITS_MAX:
        raise WireFault(f"{what} {text!r} is no price, quantity or amount")
    return value


def ratio(text: str, scale: int, what: str) -> int:
    """A rate as an integer of 1/scale, rounded half to even: the venue writes spare digits."""
    if not text or len(text) > _TEXT_MAX or not text.isascii() or "_" in text:
        raise WireFault(f"{what} {text[:_TEXT_MAX]!r} is no decimal number")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise WireFault(f"{what} {text!r} is no decimal number") from None
    if not value.is_finite() or abs(value) > 10**15 or value.adjusted() < -_TEXT_MAX:
        raise WireFault(f"{what} {text!r} is no rate")
    return int((value * scale).to_integral_value())


def excerpt(body: bytes) -> str:
    """The beginning of a body as text that can be shown."""
    return body[:_EXCERPT].decode("utf-8", "replace")
