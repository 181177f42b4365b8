"""Nonces that never repeat: milliseconds where they are new, the next number where they are not."""

from __future__ import annotations

# The venue takes nonces up to a day ahead of its clock; half of it is left for a wrong clock.
AHEAD_MAX_MS = 12 * 60 * 60 * 1000


class NonceFault(RuntimeError):
    """The nonces have run so far ahead of the clock that the venue would refuse them."""


class Nonces:
    """The nonces of one signer. ``last`` survives the process: the caller stores and restores it.

    Milliseconds alone would repeat: two actions in one millisecond, a clock set back, a restart.
    """

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def take(self, now_ms: int) -> int:
        """The next nonce: the present millisecond, or one above the last."""
        nonce = max(now_ms, self.last + 1)
        if nonce - now_ms > AHEAD_MAX_MS:
            raise NonceFault(
                f"nonce {nonce} is more than {AHEAD_MAX_MS} ms ahead of the clock ({now_ms}); "
                "correct the clock, or use another agent key"
            )
        self.last = nonce
        return nonce
