"""The smallest plan that still fails: a shorter time, fewer kinds of faults, fewer strikes.

A smaller plan counts when the same invariant is violated. Strikes are taken away in halves first
and one by one at the end; everything follows from the plan, so each try is decided by one run.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from interlock.runtime.settings import MINUTE
from interlock.world.plan import Plan
from interlock.world.world import Verdict

Play = Callable[[Plan], Verdict]


class Shrinker:
    """Shrinks one failing plan with at most ``tries`` runs."""

    def __init__(self, play: Play, failed: Verdict, *, tries: int = 150) -> None:
        self._play = play
        self._left = tries
        self.smallest = failed

    def run(self) -> Verdict:
        """The verdict of the smallest plan that was found."""
        self._shorten()
        self._leave_out_kinds()
        self._leave_out_strikes()
        return self.smallest

    def _fails(self, plan: Plan) -> bool:
        if self._left <= 0:
            return False
        self._left -= 1
        verdict = self._play(plan)
        if verdict.invariant != self.smallest.invariant:
            return False
        self.smallest = verdict
        return True

    def _shorten(self) -> None:
        """Halve the time as long as that fails; counts are per half hour, so they shrink too."""
        while True:
            plan = self.smallest.plan
            shorter = msgspec.structs.replace(plan, busy_ns=plan.busy_ns // 2)
            if shorter.busy_ns < MINUTE // 2 or not self._fails(shorter):
                return

    def _leave_out_kinds(self) -> None:
        for kind in list(self.smallest.plan.rates):
            plan = self.smallest.plan
            rates = {name: rate for name, rate in plan.rates.items() if name != kind}
            self._fails(msgspec.structs.replace(plan, rates=rates))

    def _leave_out_strikes(self) -> None:
        struck = self.smallest.strikes
        size = max(1, len(struck) // 2)
        while struck and self._left > 0:
            place, went = 0, False
            while place < len(struck):
                kept = struck[:place] + struck[place + size :]
                plan = msgspec.structs.replace(self.smallest.plan, only=frozenset(kept))
                if self._fails(plan):
                    struck, went = kept, True
                else:
                    place += size
            if size == 1 and not went:
                return
            size = max(1, size // 2)


def shrink(play: Play, failed: Verdict, *, tries: int = 150) -> Verdict:
    """The verdict of the smallest plan that violates the same invariant."""
    return Shrinker(play, failed, tries=tries).run()
