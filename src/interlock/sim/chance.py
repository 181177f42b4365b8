"""Chance that follows from a seed: the same numbers on every machine."""

from __future__ import annotations

_MASK = (1 << 64) - 1


class Splitmix:
    """The sequence splitmix64 (Steele, Lea and Flood, 2014) from a 64-bit state."""

    __slots__ = ("_state",)

    def __init__(self, state: int) -> None:
        self._state = state & _MASK

    def draw(self) -> int:
        """64 bits."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

    def share(self) -> float:
        """In 0 <= x < 1, of 53 bits."""
        return (self.draw() >> 11) / (1 << 53)
