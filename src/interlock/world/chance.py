"""Chance that follows from a seed and a name, the same on every machine."""

from __future__ import annotations

from hashlib import blake2b

_MASK = (1 << 64) - 1
MILLION = 1_000_000


class Chance:
    """A splitmix64 sequence of its own for every name, so that one fault does not move another."""

    __slots__ = ("_state",)

    def __init__(self, seed: int, name: str) -> None:
        digest = blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
        self._state = int.from_bytes(digest, "big")

    def draw(self) -> int:
        """64 bits."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

    def below(self, count: int) -> int:
        """In 0 <= n < count."""
        return self.draw() * count >> 64

    def between(self, low: int, high: int) -> int:
        """In low <= n <= high."""
        return low + self.below(high - low + 1)

    def happens(self, parts: int) -> bool:
        """True ``parts`` times of a million."""
        return self.below(MILLION) < parts
