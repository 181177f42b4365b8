"""I23 and I29: what waits stays bounded, and what is unknown or stale is said to be."""

from __future__ import annotations

from typing import Any

from interlock.model.market import Quote
from interlock.model.order import LIMIT_TYPES, Change, OrderStatus
from interlock.model.rows import AnyRow, TransitionRow
from interlock.model.venue import Answer, StreamChanged
from interlock.runtime.engine import Engine
from interlock.runtime.settings import SECOND
from interlock.runtime.values import Outputs
from interlock.world.judging import Judge
from interlock.world.process import Process
from interlock.world.record import Arrival
from interlock.world.scene import SETTINGS, Scene

# Every so many inputs of a process are looked at.
EVERY = 128
# Ten times and more of what half an hour under faults has been seen to need.
PENDING, LATE, DOUBTS, NAMELESS, TRACKS, PLANNED = 100, 100, 100, 100, 1_000, 2_000
# Two seconds more than the engine's own limit.
WINDOW_NS, INPUTS = 10 * SECOND, 5_000
SILENT_NS = SETTINGS.market_silence_ns + 2 * SECOND
# Moves that say what the venue holds.
_CERTAIN = frozenset({Change.ACCEPT, Change.UPDATE, Change.TRIGGER})


class Bounds(Judge):
    """I23: questions, doubts, orders in memory, and what is planned."""

    invariants = ("I23",)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._inputs = 0
        self._in_window = self._ts_window = 0

    def took(self, process: Process, event: Any, outputs: Outputs) -> None:
        """Counts inputs, and looks now and then."""
        self._inputs += 1
        ts = self.scene.timeline.ts
        if ts > self._ts_window + WINDOW_NS:
            self._ts_window, self._in_window = ts, 0
        self._in_window += 1
        if self._inputs % EVERY or process.loop is None:
            return
        engine = process.loop.engine
        sizes = {
            "questions under way": (len(engine.asks.pending), PENDING),
            "late answers waited for": (len(engine.asks.late), LATE),
            "orders in doubt": (len(engine.resolver.doubts), DOUBTS),
            "executions without an order": (len(engine.fills.waiting), NAMELESS),
            "orders in memory": (len(engine.desk.books.tracks), TRACKS),
            "effects not carried out": (len(engine.desk.effects), 0),
            "inputs in ten seconds": (self._in_window, INPUTS),
            "things planned": (self.scene.timeline.planned, PLANNED),
        }
        over = [f"{n} {name}" for name, (n, most) in sizes.items() if n > most]
        self.demand("I23", not over, f"more than there may be: {', '.join(over)}")


class Display(Judge):
    """I29: what screens and alerts are fed with."""

    invariants = ("I29",)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._told: dict[str, dict[str, None]] = {}
        self._heard: dict[tuple[str, str], int] = {}
        self._looked: dict[str, int] = {}
        self._inputs = 0

    def told(self, process: Process, fact: Any) -> None:
        """A doubt is said."""
        if getattr(fact, "name", "") == "ORDER_DOUBT":
            self._told.setdefault(process.name, {})[fact.subject] = None

    def ended(self, process: Process, why: str) -> None:
        """A new life says it again."""
        self._told.pop(process.name, None)
        self._looked.pop(process.name, None)
        for key in [key for key in self._heard if key[0] == process.name]:
            del self._heard[key]

    def wrote(self, process: Process, row: AnyRow) -> None:
        """A doubt was said to be one, and what is said to be certain is what the venue has had."""
        if not isinstance(row, TransitionRow):
            return
        name = row.client_order_id
        if row.after is OrderStatus.UNKNOWN:
            is_told = name in self._told.get(process.name, {})
            self.demand("I29", is_told, f"{name} is unknown and nobody was told")
        elif row.change in _CERTAIN:
            found = self.record.arrivals.get(name)
            text = f"{name} is shown as {row.after} ({row.evidence}), the venue never had it"
            self.demand("I29", found is not None, text)
            if found is not None and row.change is Change.UPDATE:
                form = (row.quantity, row.price)
                text = f"{name} is shown with {form}, the venue never had it but with "
                is_held = form in found.forms or self._is_replaced(row, found)
                self.demand("I29", is_held, text + str(list(found.forms)))

    def _is_replaced(self, row: TransitionRow, found: Arrival) -> bool:
        """Whether an order is shown as a venue that replaces it leaves open.

        Its answer tells no quantity: not what traded before that no row tells of yet, and not what
        it cut to the position. The worst price that it wants of a market order is none of ours.
        """
        order = self.record.orders.get(row.client_order_id)
        if order is None or not self.scene.exchange.line.replaces_amended:
            return False
        spec = order.intent.spec
        fills = self.record.untold.get(spec.instrument, {}).values()
        own = [fill for fill in fills if self.record.name_of(fill) == row.client_order_id]
        lacks = sum(fill.quantity for fill in own)
        is_cut = spec.reduce_only and row.evidence == "answer"
        return any(
            (price == row.price or (not row.price and spec.type not in LIMIT_TYPES))
            and (0 <= quantity - row.quantity <= lacks or (is_cut and quantity < row.quantity))
            for quantity, price in found.forms
        )

    def took(self, process: Process, event: Any, outputs: Outputs) -> None:
        """What is shown, now and then, against what was really heard."""
        ts = self.scene.timeline.ts
        if type(event) is Quote:
            self._heard[(process.name, event.instrument.id)] = ts
        elif type(event) is StreamChanged or (type(event) is Answer and type(event.content) is int):
            # A look at the book by another way, or a new connection that begins with a price.
            self._looked[process.name] = ts
        self._inputs += 1
        if self._inputs % EVERY == 0 and process.loop is not None:
            self._look(process, process.loop.engine)

    def _look(self, process: Process, engine: Engine) -> None:
        state = engine.desk.state
        for name, slot in state.instruments.items():
            unknown = sum(
                order.status is OrderStatus.UNKNOWN and order.spec.instrument == name
                for order in state.open.values()
            )
            text = f"{name}: {slot.unknown} unknown orders are shown, there are {unknown}"
            self.demand("I29", slot.unknown == unknown, text)
            heard = self._heard.get((process.name, name), 0)
            silent = self.scene.timeline.ts - max(heard, self._looked.get(process.name, 0))
            if heard and silent > SILENT_NS:
                stale = engine.gate.freshness.stale(name)
                text = f"{name} is silent for {silent // 10**6} ms and shown as fresh"
                self.demand("I29", bool(stale), text)
