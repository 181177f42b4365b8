"""I18 and I21: what a start gives back, and a whole chain with a row for every command."""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.kernel.state import State
from interlock.model.rows import AnyRow, CommandRow, StoredRow
from interlock.ports import LedgerFault
from interlock.runtime.books import Books
from interlock.runtime.recovery import recover
from interlock.runtime.settings import SECOND
from interlock.world.judging import Judge
from interlock.world.process import Process
from interlock.world.scene import Scene
from interlock.world.storage import Files
from interlock.world.truth import Violation

# A fold of every row is dear: it is made at these starts only, while there are not too many rows.
FOLDED_STARTS = frozenset({3, 7})
ROWS_MOST = 3_000
PATIENCE_NS = 10 * SECOND


class Recoveries(Judge):
    """I18: the state of every start against the record, now and then against a fold of it all."""

    invariants = ("I18",)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._starts = 0
        self._acknowledged = 0

    def durable(self, process: Process, rows: list[StoredRow]) -> None:
        """Rows were acknowledged."""
        self._acknowledged += len(rows)

    def started(self, process: Process) -> None:
        """An engine has recovered and has not asked the venue yet."""
        loop = process.loop
        if loop is None:
            return
        self._starts += 1
        files, desk = self.scene.files, loop.engine.desk
        text = f"{self._acknowledged} rows were acknowledged, {len(files.rows)} are there"
        self.demand("I18", len(files.rows) >= self._acknowledged, text)
        for name, ours in loop.engine.positions.items():
            held = self.record.position(name)
            self.demand("I18", ours == held, f"{name}: recovered {ours}, the rows hold {held}")
        for orders in self.record.open.values():
            for name, order in orders.items():
                found = desk.state.open.get(name)
                filled = -1 if found is None else found.filled
                text = f"{name}: recovered with {filled} filled, the rows have {order.filled}"
                self.demand("I18", filled == order.filled, text)
        for instrument, trade_id in list(self.record.applied)[-64:]:
            is_known = trade_id in desk.books.trades.get(instrument, ())
            self.demand("I18", is_known, f"trade {trade_id} of {instrument} is forgotten")
        if self._starts in FOLDED_STARTS and len(files.rows) <= ROWS_MOST:
            self._fold(desk.state, desk.books)

    def _fold(self, state: State, books: Books) -> None:
        """A snapshot and the rest give what all rows and the whole tape give."""
        scene = self.scene
        if scene.dice.tally.struck["tape_torn"] or scene.second.lives:
            # The snapshot knows of prices that are lost, or the tape has those of two engines.
            return
        rows, tape = scene.files.rows, scene.files.tape
        whole = recover(scene.setup(), rows=rows, tape=tape)
        ours, theirs = _essence(state, books), _essence(whole.state, whole.books)
        differ = [f"{name}: {ours[name]}, {theirs[name]}" for name in ours]
        differ = [
            text for text, name in zip(differ, ours, strict=True) if ours[name] != theirs[name]
        ]
        text = f"snapshot and rows, and all rows, give different {'; '.join(differ)}"
        self.demand("I18", not differ, text)


def _essence(state: State, books: Books) -> dict[str, Any]:
    """What is traded on: money, positions, orders, what was given out and counted, switches."""
    return {
        "wallet": state.wallet,
        "net": {name: (s.net.quantity, s.net.cost) for name, s in state.instruments.items()},
        "open": {name: (o.status, o.filled, o.spec) for name, o in state.open.items()},
        "strategies": {
            name: (
                owner.wallet,
                {key: held.quantity for key, held in owner.positions.items()},
                owner.strategy._next_ref,
                owner.prefix,
            )
            for name, owner in state.strategies.items()
        },
        "ids": books.given,
        "trades": books.trades,
        "payments": books.payments,
        "switches": books.switches,
    }


class Trail(Judge):
    """I21: the chain, the secrets that are in no row, and the commands that all are."""

    invariants = ("I21",)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._given: list[tuple[str, str, int]] = []
        self._secret = scene.exchange.line.secret.encode()

    def durable(self, process: Process, rows: list[StoredRow]) -> None:
        """No row has the secret in it."""
        self.checked["I21"] += len(rows)
        for stored in rows:
            if self._secret in stored.row.body:
                raise Violation("I21", f"row {stored.seq} has the secret of the key in it")

    def commanded(self, process: Process, name: str) -> None:
        """A verb was given to a process that runs."""
        self._given.append((process.name, name, self.scene.timeline.ts))

    def wrote(self, process: Process, row: AnyRow) -> None:
        """A verb is in the ledger, taken or refused."""
        if isinstance(row, CommandRow):
            for given in self._given:
                if given[:2] == (process.name, row.name):
                    self._given.remove(given)
                    break

    def ended(self, process: Process, why: str) -> None:
        """What was not durable is told to nobody."""
        self._given = [given for given in self._given if given[0] != process.name]

    def quiet(self) -> None:
        """The whole chain, from the first row."""
        try:
            rows = self.scene.files.verified()
        except LedgerFault as fault:
            raise Violation("I21", f"the chain is broken: {fault}") from fault
        if rows:
            self.demand("I21", self._notices_a_flip(), "the chain does not see a bit that turned")
        true = self.scene.truth.rows
        text = f"{len(rows)} rows are on the disk, {len(true)} were acknowledged"
        self.demand("I21", [row.digest for row in rows] == [row.digest for row in true], text)
        lost = [given for given in self._given if given[2] < self.scene.timeline.ts - PATIENCE_NS]
        self.demand("I21", not lost, f"commands without a row: {lost}")

    def _notices_a_flip(self) -> bool:
        """Whether the ledger's own check fails for its first row with another body."""
        files, damaged = self.scene.files, Files()
        first = files.rows[0]
        body = bytes([first.row.body[0] ^ 1]) + first.row.body[1:]
        row = msgspec.structs.replace(first.row, body=body)
        damaged.rows, damaged.epochs = [msgspec.structs.replace(first, row=row)], files.epochs[:1]
        try:
            damaged.verified()
        except LedgerFault:
            return True
        return False
