"""How Hyperliquid writes numbers and sides, and the one error of everything that reads them."""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.model.units import MONEY_EXPONENT, div_half_even, format_units

NS_PER_MS = 1_000_000
# Longer numbers are mistakes, and would cost memory before anything could refuse them.
_LENGTH_MAX = 40


class WireFault(ValueError):
    """A message that does not read as the venue writes it; nothing of it may be believed."""


def digits_of(text: object) -> tuple[int, str, str]:
    """Sign, whole digits and decimals (without trailing zeros) of a plain decimal number."""
    if not isinstance(text, str) or len(text) > _LENGTH_MAX:
        raise WireFault(f"{_short(text)} is no decimal text")
    sign, body = (-1, text[1:]) if text.startswith("-") else (1, text)
    whole, _, part = body.partition(".")
    digits = whole + part
    if not whole or not digits.isascii() or not digits.isdigit():
        raise WireFault(f"{_short(text)} is no decimal text")
    return sign, whole, part.rstrip("0")


def units_of(text: object, exponent: int) -> int:
    """Integer units of 10^-exponent; refuses what is finer, or no plain decimal number."""
    sign, whole, part = digits_of(text)
    if len(part) > exponent:
        raise WireFault(f"{_short(text)} is finer than the unit 1e-{exponent}")
    return sign * int(whole + part.ljust(exponent, "0"))


def money_of(text: object) -> int:
    """Money units; what is finer than one is rounded half to even, so that no fill is lost."""
    return nearest_units_of(text, MONEY_EXPONENT)


def nearest_units_of(text: object, exponent: int) -> int:
    """Integer units of 10^-exponent; what is finer than one is rounded half to even."""
    sign, whole, part = digits_of(text)
    if len(part) <= exponent:
        return sign * int(whole + part.ljust(exponent, "0"))
    return sign * div_half_even(int(whole + part), 10 ** (len(part) - exponent))


def units_text(units: int, exponent: int) -> str:
    """Decimal text without trailing zeros: the form that signatures are made over."""
    return format_units(units, exponent)


def shown(units: int, exponent: int) -> str:
    """Decimal text as the venue shows it: at least one decimal."""
    text = format_units(units, exponent)
    return text if "." in text else f"{text}.0"


def side_letter(side: int) -> str:
    """B for a buy, A (ask) for a sell."""
    return "B" if side > 0 else "A"


def side_of(letter: object) -> int:
    """+1 for B, -1 for A."""
    if letter == "B":
        return 1
    if letter == "A":
        return -1
    raise WireFault(f"side {_short(letter)} is neither A nor B")


def decode(body: bytes | str, kind: Any) -> Any:
    """JSON as the given type, or WireFault."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise WireFault(f"{_short(body)} is not what was asked for: {error}") from None


def convert(value: object, kind: Any) -> Any:
    """A decoded value as the given type, or WireFault."""
    try:
        return msgspec.convert(value, type=kind)
    except msgspec.MsgspecError as error:
        raise WireFault(f"{_short(value)} is not what was asked for: {error}") from None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
