"""Planted where things are kept and shown: R19, R20, I21, I23, I29."""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.model.chain import link as chain_link
from interlock.model.rows import CommandRow
from interlock.model.venue import Answer
from interlock.runtime.asks import Asks
from interlock.runtime.desk import Desk
from interlock.runtime.dispatch import Dispatch
from interlock.runtime.engine import Engine
from interlock.runtime.freshness import Freshness
from interlock.world import storage
from interlock.world.lines.binance import SECRET
from tests.simulation.mutants.planting import Patch, mutant


@mutant("R19 I23", "questions that were answered are kept for ever")
def nothing_is_forgotten(patch: Patch) -> None:
    def answered(self: Asks, answer: Answer) -> None:
        pending = self.pending.get(answer.request_id)
        before(self, answer)
        if pending is not None:
            self.late[answer.request_id] = pending

    before = patch.set(Asks, "answered", answered)


@mutant("R19 I23", "the core wakes a thousand times a second for nothing")
def engine_turns_too_fast(patch: Patch) -> None:
    def turn(self: Engine) -> int:
        before(self)
        return self.desk.ts + 1_000_000

    before = patch.set(Engine, "_next", turn)


@mutant("R19 I23", "what strategies ask for is carried out one thing at a time")
def effects_wait(patch: Patch) -> None:
    def drain(self: Dispatch) -> None:
        if self.desk.effects:
            self._carry_out(self.desk.effects.popleft(), True)

    patch.set(Dispatch, "drain", drain)


@mutant("R20", "the chain leaves the body of a row out")
def chain_without_body(patch: Patch) -> None:
    def link(before: bytes, seq: int, row: Any, *, epoch: int) -> bytes:
        empty = msgspec.structs.replace(row, body=b"")
        return chain_link(before, seq, empty, epoch=epoch)

    patch.set(storage, "link", link)


@mutant("I21", "commands leave no row, but for those that lift something")
def commands_leave_no_row(patch: Patch) -> None:
    def write(self: Desk, row: Any) -> Any:
        if isinstance(row, CommandRow) and row.name != "resume":
            return None
        return before(self, row)

    before = patch.set(Desk, "write", write)


@mutant("I21", "the key's secret is written into the ledger")
def secret_in_a_row(patch: Patch) -> None:
    def record(self: Desk, name: str, subject: str = "", text: str = "", **more: Any) -> None:
        before(self, name, subject, f"{text} signed with {SECRET}", **more)

    before = patch.set(Desk, "record", record)


@mutant("I29", "nobody is told that an order is in doubt")
def doubt_is_not_told(patch: Patch) -> None:
    def tell(self: Desk, name: str, subject: str = "", text: str = "", **more: Any) -> None:
        if name != "ORDER_DOUBT":
            before(self, name, subject, text, **more)

    before = patch.set(Desk, "tell", tell)


@mutant("I29 R15", "a stream that is silent is shown as fresh")
def silence_is_not_shown(patch: Patch) -> None:
    def stale(self: Freshness, instrument: str) -> str:
        found: str = before(self, instrument)
        return "" if "silent" in found else found

    before = patch.set(Freshness, "stale", stale)
