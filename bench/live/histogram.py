"""Durations in buckets, so that a long run's measuring costs no memory that grows with it."""

from __future__ import annotations

from collections.abc import Iterable

SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
# Buckets per power of two: a quantile is right to 0.8 %, upwards.
_BITS = 7
_FINE = 1 << _BITS


class Histogram:
    """Counts of whole nanoseconds."""

    def __init__(self, values: Iterable[int] = ()) -> None:
        self.count = 0
        self.most = 0
        self._buckets: dict[int, int] = {}
        for value in values:
            self.append(value)

    def append(self, value: int) -> None:
        """Count one duration; what is below 0 counts as 0."""
        value = max(0, value)
        shift = max(0, value.bit_length() - _BITS - 1)
        bucket = (shift << (_BITS + 1)) + (value >> shift)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.count += 1
        self.most = max(self.most, value)

    def clear(self) -> None:
        """Begin anew."""
        self.count = self.most = 0
        self._buckets.clear()

    def at(self, share: float) -> int:
        """The duration below or at which this share lies, ns; raises ValueError when empty."""
        if not self.count:
            raise ValueError("an empty histogram has no quantiles; count something first")
        rank = min(self.count - 1, int(share * self.count))
        for bucket in sorted(self._buckets):
            rank -= self._buckets[bucket]
            if rank < 0:
                break
        shift = bucket >> (_BITS + 1)
        base = bucket & ((_FINE << 1) - 1)
        return min(self.most, ((base + 1) << shift) - 1)

    def milliseconds(self) -> dict[str, float]:
        """Milliseconds at the usual shares, the most, and how many there are."""
        if not self.count:
            return {"count": 0}
        found = {name: self.at(share) / 1e6 for name, share in SHARES.items()}
        return {"count": self.count, **found, "most": self.most / 1e6}
