"""Exact integer arithmetic in 64 bits: the divisions of the units module without overflow.

Plain functions of integers below 2^62, written so that a compiler with 64-bit integers gives what
Python's unbounded ones give.
"""

from __future__ import annotations

MILLION = 1_000_000
SAFE = 3_037_000_499  # A product of two numbers up to it is below 2^63.


def share(amount: int, rate: int, up: int) -> int:
    """Amount x rate / 1e6 without the whole product, rounded down, or up where ``up`` is 1."""
    rest = (amount % MILLION) * rate + up * (MILLION - 1)
    return (amount // MILLION) * rate + rest // MILLION


def scaled(amount: int, factor: int, divisor: int, up: int) -> int:
    """Amount x factor / divisor of non-negative numbers, rounded down, or up where ``up`` is 1.

    The divisor and the result must be below 2^62. Where the product of the parts does not fit,
    a long division in base two takes over.
    """
    whole = (amount // divisor) * factor
    left = amount % divisor
    if left <= SAFE and factor <= SAFE:
        return whole + (left * factor + up * (divisor - 1)) // divisor
    quotient = 0
    rest = 0
    bit = 62
    while bit >= 0:
        rest *= 2
        quotient *= 2
        if rest >= divisor:
            rest -= divisor
            quotient += 1
        if (factor >> bit) & 1:
            rest += left
            if rest >= divisor:
                rest -= divisor
                quotient += 1
        bit -= 1
    if up == 1 and rest != 0:
        quotient += 1
    return whole + quotient


def money(price: int, quantity: int, numerator: int, denominator: int) -> int:
    """Price x quantity brought to money units, ties to even; the quantity may be negative."""
    product = price * quantity * numerator
    if denominator == 1:
        return product
    size = abs(product)
    quotient = size // denominator
    twice = 2 * (size - quotient * denominator)
    if twice > denominator or (twice == denominator and quotient % 2 == 1):
        quotient += 1
    return quotient if product >= 0 else -quotient
