"""Which faults strike, how often they did, and how often it mattered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from interlock.world.chance import Chance
from interlock.world.kinds import BY_NAME, COUNT, RATE
from interlock.world.plan import HALF_HOUR, Plan


class Tally:
    """Counts of a run by kind. A strike matters when it met an order, a fill, a row or a decision.

    ``marks`` count what must happen sometimes: the branches of recovery, for one.
    """

    def __init__(self) -> None:
        self.struck: Counter[str] = Counter()
        self.mattered: Counter[str] = Counter()
        self.marks: Counter[str] = Counter()

    def matters(self, kind: str) -> None:
        """The last strike of a kind met something that counts."""
        self.mattered[kind] += 1


class Dice:
    """Draws for one plan. Every kind has chance of its own; ``told`` hears of each strike."""

    def __init__(self, plan: Plan, *, told: Callable[[str], None] | None = None) -> None:
        self.plan = plan
        self.tally = Tally()
        self.strikes: list[str] = []
        self._told = told
        self.is_calm = False
        self._chances = {name: Chance(plan.seed, name) for name in BY_NAME}
        self._numbers: Counter[str] = Counter()
        self._rates = {
            name: rate for name, rate in plan.rates.items() if BY_NAME[name].unit == RATE
        }

    def hits(self, kind: str) -> bool:
        """Whether a fault of a rate strikes this occasion, which is one that counts."""
        rate = self._rates.get(kind)
        if rate is None or self.is_calm or not self._chances[kind].happens(rate):
            return False
        has_struck = self.count(kind)
        if has_struck:
            self.matters(kind)
        return has_struck

    def times(self, kind: str, start: int) -> list[int]:
        """When a fault of a count strikes in the busy time that begins at ``start``."""
        often = self.plan.rates.get(kind, 0)
        if BY_NAME[kind].unit != COUNT or not often:
            return []
        chance, busy = self._chances[kind], self.plan.busy_ns
        # A count is per half hour; what is left over of a part is a chance of one more.
        whole, rest = divmod(often * busy, HALF_HOUR)
        number = whole + (chance.below(HALF_HOUR) < rest)
        return sorted(start + chance.below(busy) for _ in range(number))

    def count(self, kind: str) -> bool:
        """Number a strike; False when the plan leaves it out."""
        self._numbers[kind] += 1
        strike = f"{kind} {self._numbers[kind]}"
        if not self.plan.allows(strike):
            return False
        self.tally.struck[kind] += 1
        self.strikes.append(strike)
        if self._told is not None:
            self._told(strike)
        return True

    def between(self, kind: str, low: int, high: int) -> int:
        """A value of a strike, low <= n <= high."""
        return self._chances[kind].between(low, high)

    def coin(self, kind: str) -> bool:
        """One of two."""
        return bool(self._chances[kind].below(2))

    def matters(self, kind: str) -> None:
        """The last strike of a kind met something that counts."""
        self.tally.matters(kind)
