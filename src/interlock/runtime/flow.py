"""Order flow per instrument: one decision in flight, and a time to live from the first fill.

Check, reserve and submit happen within one input, so two decisions never read the same room. What
the reservation cannot see, an amendment that grows and is not confirmed, keeps new risk out; with
symbol locks on, so does every order of an earlier decision that has no answer yet.
"""

from __future__ import annotations

from interlock.model.order import LIMIT_TYPES
from interlock.runtime.desk import Desk
from interlock.runtime.tracks import Track


class Flow:
    """Which instruments have a decision in flight, and which entries have lived long enough."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        # instrument -> (kernel sequence of the decision, ids without an answer: do they grow)
        self._held: dict[str, tuple[int, dict[str, bool]]] = {}

    def holds(self, instrument: str) -> str:
        """Why a new decision on the instrument must wait, or an empty text."""
        held = self._held.get(instrument)
        if held is None:
            return ""
        if held[0] == self.desk.state.seq and not any(held[1].values()):
            # Orders of one decision are reserved one beside the other; what grows never is.
            return ""
        for name in [name for name in held[1] if not self._is_waiting(name)]:
            # Its order was over before the attempt had an answer of its own.
            self.settled(name, instrument)
        if not held[1]:
            return ""
        return f"an earlier decision on {instrument} has no answer yet ({len(held[1])} request(s))"

    def _is_waiting(self, client_order_id: str) -> bool:
        track = self.desk.track(client_order_id)
        is_open = client_order_id in self.desk.state.open
        return is_open and track is not None and track.in_flight

    def took(self, client_order_id: str, instrument: str, *, grows: bool) -> None:
        """A request that raises risk left; ``grows`` marks an amendment, which always holds."""
        if not (grows or self.desk.settings.symbol_locks):
            return
        held = self._held.get(instrument)
        if held is None or held[0] != self.desk.state.seq:
            waiting = {} if held is None else held[1]
            held = self._held[instrument] = (self.desk.state.seq, waiting)
        held[1][client_order_id] = grows

    def settled(self, client_order_id: str, instrument: str) -> None:
        """A request has its answer, or its order is in doubt and blocks by that."""
        held = self._held.get(instrument)
        if held is not None:
            held[1].pop(client_order_id, None)
            if not held[1]:
                del self._held[instrument]

    def expired(self) -> list[str]:
        """Resting entries whose time is over: from their first fill, or from their submission."""
        settings = self.desk.settings
        if not settings.entry_ttl_ns:
            return []
        return [
            track.client_order_id
            for track in self.desk.open_tracks()
            if self._is_over(track, settings.entry_ttl_ns)
        ]

    def _is_over(self, track: Track, ttl: int) -> bool:
        spec = track.spec
        if spec.reduce_only or spec.type not in LIMIT_TYPES or track.cancel is not None:
            return False
        start = track.ts_first_fill if self.desk.settings.ttl_from_first_fill else track.ts
        return start > 0 and self.desk.ts >= start + ttl

    @property
    def wake_ts(self) -> int:
        """When the next entry's time is over, 0 when none has begun."""
        ttl = self.desk.settings.entry_ttl_ns
        if not ttl:
            return 0
        first = self.desk.settings.ttl_from_first_fill
        starts = [
            start
            for track in self.desk.open_tracks()
            if not track.spec.reduce_only
            and track.cancel is None
            and (start := track.ts_first_fill if first else track.ts)
        ]
        return min(starts, default=-ttl) + ttl
