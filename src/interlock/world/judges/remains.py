"""I1, I14, I16: what may not be left over: miscounted risk, exits of nothing, entries in a halt."""

from __future__ import annotations

from typing import Any

from interlock.model.rows import AnyRow, StateRow
from interlock.runtime.settings import SECOND
from interlock.runtime.stops import CANCEL_ENTRIES
from interlock.world.judging import Judge
from interlock.world.process import Process
from interlock.world.record import EXITS
from interlock.world.scene import Scene

# How long an entry may rest under a verb that cancels entries, counted only while an engine runs
# and the venue can be reached: three cancels, of which two are lost, each given up after its
# time-out and the time of a proof.
RESTING_NS = 35 * SECOND
LOOK_NS = 1 * SECOND
# So long what a stranger did may be missing in a snapshot of positions, and its answer on its way.
LATE_NS = 20 * SECOND


class Halts(Judge):
    """I16: an entry that rests may fill at any time; a verb that cancels entries does cancel it."""

    invariants = ("I16",)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._states: dict[str, str] = {}
        self._rested: dict[str, int] = {}
        self._is_looking = False

    def wrote(self, process: Process, row: AnyRow) -> None:
        """A verb holds from its row on."""
        if not isinstance(row, StateRow):
            return
        self._states[row.scope] = row.state
        if row.state == "flat":
            self._flat()
        if row.state in CANCEL_ENTRIES and not self._is_looking:
            self._is_looking = True
            self.scene.timeline.after(LOOK_NS, self._look)

    def _flat(self) -> None:
        """An emergency is over when the venue holds nothing; a stranger may trade just then."""
        ts, exchange = self.scene.timeline.ts, self.scene.exchange
        for instrument in exchange.instruments:
            name = instrument.id
            if self.scene.truth.touched_at.get(name, -LATE_NS) + LATE_NS >= ts:
                continue
            held = exchange.position(name)
            text = f"{name} is told to be flat, the venue holds {held}"
            self.demand("I16", abs(held) < instrument.lot, text)

    def _look(self) -> None:
        self._rested = {name: self._rested.get(name, 0) for name in self._entries()}
        if self.may_act():
            for name in self._rested:
                self._rested[name] += LOOK_NS
                is_gone_soon = self._rested[name] <= RESTING_NS
                text = f"the entry {name} rests for {RESTING_NS // SECOND} s after the verb"
                self.demand("I16", is_gone_soon, text)
        if any(state in CANCEL_ENTRIES for state in self._states.values()):
            self.scene.timeline.after(LOOK_NS, self._look)
        else:
            self._is_looking = False

    def _entries(self) -> list[str]:
        """Orders of ours at the venue that a verb which holds now should have canceled."""
        found = []
        for order in self.scene.exchange.open_orders():
            name = self.record.name_of_order(order)
            known = self.record.orders.get(name)
            if known is None or order.reduce_only or known.intent.spec.tag in EXITS:
                # A stop may stand without the venue's mark where the net position is another one.
                continue
            scopes = ("", order.symbol, known.intent.strategy)
            if any(self._states.get(scope, "") in CANCEL_ENTRIES for scope in scopes):
                found.append(name)
        return found


class Counts(Judge):
    """I1: what the core holds against its limit is what its open orders may still trade."""

    invariants = ("I1",)

    def quiet(self) -> None:
        """At the end, for every engine that runs."""
        for process in self.scene.processes:
            if process.loop is not None:
                self._count(process.loop.engine.desk.state)

    def _count(self, state: Any) -> None:
        for name, slot in state.instruments.items():
            for side, counted in ((1, slot.open_buy), (-1, slot.open_sell)):
                total = sum(
                    order.leaves
                    for order in state.open.values()
                    if order.is_counted
                    and order.spec.instrument == name
                    and order.spec.side == side
                )
                text = f"{name} side {side}: {counted} units are counted as open, {total} are"
                self.demand("I1", counted == total, text)


class Exits(Judge):
    """I14: an exit goes with its position: left over, it would close the next one."""

    invariants = ("I14",)

    def quiet(self) -> None:
        """At the end, where every position is protected and no stranger traded."""
        exchange = self.scene.exchange
        if not self.scene.protected:
            return
        for instrument in exchange.instruments:
            symbol = instrument.id
            if exchange.position(symbol) or symbol in self.scene.truth.touched_at:
                continue
            left = [
                order.client_id
                for order in exchange.open_orders()
                if order.symbol == symbol and order.reduce_only
            ]
            self.demand("I14", not left, f"{', '.join(left)} exit {symbol}, which is flat")
