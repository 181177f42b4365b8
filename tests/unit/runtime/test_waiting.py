"""Executions that wait for the name of their order."""

from __future__ import annotations

import msgspec

from interlock.runtime.waiting import WAITING_MAX, Waiting
from tests.toy_players import BTC
from tests.unit.runtime.core import Core, fill_of


def test_venues_number_trades_by_instrument() -> None:
    """The same number on two instruments is two executions, and booking one keeps the other."""
    waiting = Waiting(Core().engine.desk)
    here = fill_of(7, client_order_id="", instrument=BTC.id)
    there = msgspec.structs.replace(here, instrument="ETHUSDT-PERP.TEST")
    assert waiting.hold(here) and waiting.hold(there)
    waiting.drop(here)
    assert waiting.fills() == [there] and not waiting.is_on(BTC.id)


def test_what_is_told_again_keeps_its_first_time_and_its_room() -> None:
    core = Core()
    waiting, first = Waiting(core.engine.desk), core.ts
    fills = [fill_of(number, client_order_id="") for number in range(1, WAITING_MAX + 2)]
    assert [waiting.hold(fill) for fill in fills] == [True] * WAITING_MAX + [False]
    core.later(10**9)
    assert waiting.hold(fills[0])
    assert (waiting.since(fills[0]), waiting.since(fills[-1])) == (first, core.ts)
