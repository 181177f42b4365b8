"""The judges of the world: one family of invariants in each file, all of them in ``JUDGES``."""

from __future__ import annotations

from interlock.world.judges.liveness import Liveness
from interlock.world.judges.money import Money
from interlock.world.judges.sending import Barriers, WriteAhead
from interlock.world.judging import Judge

JUDGES: tuple[type[Judge], ...] = (WriteAhead, Barriers, Money, Liveness)
