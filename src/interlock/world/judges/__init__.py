"""The judges of the world: one family of invariants in each file, all of them in ``JUDGES``."""

from __future__ import annotations

from interlock.world.judges.bounds import Bounds, Display
from interlock.world.judges.data import Form, Prices
from interlock.world.judges.exposure import Exposure
from interlock.world.judges.gaps import Gaps
from interlock.world.judges.ledger import Recoveries, Trail
from interlock.world.judges.liveness import Liveness
from interlock.world.judges.money import Money
from interlock.world.judges.orders import Lives
from interlock.world.judges.protection import Protection, Repairs
from interlock.world.judges.rate import Rate
from interlock.world.judges.reconcile import Comparisons
from interlock.world.judges.remains import Counts, Exits, Halts
from interlock.world.judges.sending import Barriers, WriteAhead
from interlock.world.judges.silence import Silence
from interlock.world.judges.strangers import Strangers
from interlock.world.judging import Judge

# Who looks first names the violation: what is sent before what follows from it.
JUDGES: tuple[type[Judge], ...] = (
    WriteAhead,
    Barriers,
    Exposure,
    Form,
    Prices,
    Gaps,
    Rate,
    Lives,
    Money,
    Protection,
    Repairs,
    Strangers,
    Recoveries,
    Comparisons,
    Bounds,
    Display,
    Trail,
    Liveness,
    Halts,
    Silence,
    Counts,
    Exits,
)
