"""Chance that follows from a seed and a name, the same on every machine."""

from __future__ import annotations

from hashlib import blake2b

from interlock.sim.chance import Splitmix

MILLION = 1_000_000


class Chance(Splitmix):
    """A sequence of its own for every name, so that one fault does not move another."""

    __slots__ = ()

    def __init__(self, seed: int, name: str) -> None:
        digest = blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
        super().__init__(int.from_bytes(digest, "big"))

    def below(self, count: int) -> int:
        """In 0 <= n < count."""
        return self.draw() * count >> 64

    def between(self, low: int, high: int) -> int:
        """In low <= n <= high."""
        return low + (self.draw() * (high - low + 1) >> 64)

    def happens(self, parts: int) -> bool:
        """True ``parts`` times of a million."""
        return self.draw() * MILLION >> 64 < parts
