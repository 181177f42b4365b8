"""Indicators of price and volume: rolling VWAP and on-balance volume."""

from interlock.strategy.indicators.live import (
    Column,
    Indicator,
    Input,
    capacity,
    column_of,
    whole_number,
    window_of,
)
from interlock.strategy.indicators.numerics import (
    NAN,
    Cells,
    Window,
    accumulate,
    replace_product,
    rolling_sum,
    slide,
)


class _OfTrade(Indicator):
    __slots__ = ()

    def update(self, price: float, volume: float) -> float:
        """Take the next price and volume and return the indicator, NaN until it is ready."""
        return self._feed(price, volume)

    @property
    def value(self) -> float:
        """The last result, NaN until ready."""
        return self._last


def vwap_update(
    state: Cells, ring: Cells, fixed: tuple[Window, Window], count: int, *trade: float
) -> float:
    """State: the pairs of turnover and of volume; the ring holds prices, then volumes."""
    prices, volumes = fixed
    length, mask, start = volumes
    price, volume = trade
    leaving = slide(ring, prices, count, price)
    weight = ring[start + ((count - length) & mask)]
    replace_product(state, 0, (price, volume), (leaving, weight))
    total = rolling_sum(state, 2, ring, volumes, count, volume)
    if count + 1 < length or total <= 0.0:
        return NAN
    return (state[0] + state[1]) / total


class Vwap(_OfTrade):
    """Mean of `length` prices weighted by volume; NaN where the window has no volume."""

    __slots__ = ()
    formula = staticmethod(vwap_update)

    def __init__(self, length: int) -> None:
        cells = capacity(whole_number("length", length))
        super().__init__(4, 2 * cells, (window_of(length), window_of(length, cells)))


def vwap(price: Input, volume: Input, length: int) -> Column:
    """Rolling volume-weighted price; NaN before row `length - 1` and where nothing traded."""
    return column_of(Vwap(length), price, volume)


def obv_update(state: Cells, ring: Cells, fixed: tuple[int], count: int, *trade: float) -> float:
    """State: the pair of the balance, the previous close."""
    close, volume = trade
    if count == 0 or close > state[2]:
        accumulate(state, 0, volume, 0.0)
    elif close < state[2]:
        accumulate(state, 0, -volume, 0.0)
    state[2] = close
    return state[0] + state[1]


class Obv(_OfTrade):
    """Volume added on a rise of the close and taken on a fall; starts with the first volume."""

    __slots__ = ()
    formula = staticmethod(obv_update)

    def __init__(self) -> None:
        super().__init__(3, 0, (0,))


def obv(close: Input, volume: Input) -> Column:
    """On-balance volume in units of `volume`; it depends on the first row it has seen."""
    return column_of(Obv(), close, volume)
