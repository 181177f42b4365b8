"""Curves over time as plain SVG that stretches with the page and takes its colors from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from markupsafe import Markup, escape

WIDTH, HEIGHT = 1000, 200
POINTS_MOST = 800


class Mark(msgspec.Struct, frozen=True):
    """A moment to point at; the tone is bad, good or plain."""

    ts: int
    text: str
    tone: str = "plain"


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """A value over time; None where it is unknown. ``is_step``: it holds until the next."""

    title: str
    unit: str
    ts: Sequence[int]
    values: Sequence[float | None]
    digits: int = 2
    is_step: bool = False
    has_zero: bool = False


def draw(curve: Curve, marks: Sequence[Mark] = ()) -> Markup:
    """The curve with its scale beside it; empty without two known values."""
    known = [
        (ts, value) for ts, value in zip(curve.ts, curve.values, strict=True) if value is not None
    ]
    if len(known) < 2 or known[-1][0] <= known[0][0]:
        return Markup("")
    known = _thin(known)
    low = min(value for _, value in known)
    high = max(value for _, value in known)
    if curve.has_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low < 10**-curve.digits:
        low, high = low - 10**-curve.digits, high + 10**-curve.digits
    first, last = known[0][0], known[-1][0]

    def x(ts: int) -> float:
        return round((ts - first) / (last - first) * WIDTH, 1)

    def y(value: float) -> float:
        return round((high - value) / (high - low) * (HEIGHT - 8) + 4, 1)

    parts = [_grid()]
    if low < 0.0 < high:
        parts.append(f'<path class="zero" d="M0 {y(0.0)}H{WIDTH}"/>')
    for mark in marks:
        if first <= mark.ts <= last:
            at = x(mark.ts)
            parts.append(
                f'<path class="mark {mark.tone}" d="M{at} 0V{HEIGHT}">'
                f"<title>{escape(mark.text)}</title></path>"
            )
    parts.append(f'<path class="curve" d="{_path(known, x, y, is_step=curve.is_step)}"/>')
    scale = [high, (high + low) / 2, low]
    labels = "".join(f"<span>{value:,.{curve.digits}f}</span>" for value in scale)
    title = escape(f"{curve.title}, {curve.unit}" if curve.unit else curve.title)
    return Markup(
        f'<figure class="plot"><figcaption>{title}</figcaption><div class="frame">'
        f'<div class="scale">{labels}</div>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{title}: from {known[0][1]:,.{curve.digits}f} to '
        f"{known[-1][1]:,.{curve.digits}f}, lowest {low:,.{curve.digits}f}, "
        f'highest {high:,.{curve.digits}f}">{"".join(parts)}</svg></div></figure>'
    )


def _grid() -> str:
    lines = "".join(f"M0 {at}H{WIDTH}" for at in (4, HEIGHT // 2, HEIGHT - 4))
    return f'<path class="grid" d="{lines}"/>'


def _path(
    known: Sequence[tuple[int, float]],
    x: Callable[[int], float],
    y: Callable[[float], float],
    *,
    is_step: bool,
) -> str:
    points: list[str] = []
    for number, (ts, value) in enumerate(known):
        if not number:
            points.append(f"M{x(ts)} {y(value)}")
        elif is_step:
            points.append(f"H{x(ts)}V{y(value)}")
        else:
            points.append(f"L{x(ts)} {y(value)}")
    return "".join(points)


def _thin(known: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Of every stretch the lowest and the highest, so that no peak is lost."""
    if len(known) <= POINTS_MOST:
        return known
    size = -(-2 * len(known) // POINTS_MOST)
    kept = [known[0]]
    for start in range(0, len(known), size):
        stretch = known[start : start + size]
        ends = {min(stretch, key=_value), max(stretch, key=_value)}
        kept += sorted(ends)
    kept.append(known[-1])
    return kept


def _value(point: tuple[int, float]) -> float:
    return point[1]
