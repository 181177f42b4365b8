"""Any run of the toy world, crashes included, decides again what its ledger tells."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.incidents.account import Account
from interlock.incidents.changes import IN_FLIGHT
from interlock.incidents.decisions import Kind
from interlock.incidents.replay import Outcome, Replay
from interlock.kernel import snapshot
from interlock.model.limits import Limits
from interlock.runtime.recovery import Setup, recover
from interlock.runtime.values import Command
from tests.toy_players import BTC, LOT, SECOND, T0, Bracketed, Restless
from tests.toy_world import NONE, World


class Run:
    """A world that has ended, with what it kept; from its last snapshot where it has one."""

    def __init__(self, seed: int, *, is_whole: bool = True, **options: Any) -> None:
        self.world = World(seed, **options).run()
        kept = None if is_whole else self.world.kept
        base, self.state = (0, None) if kept is None else kept
        self.rows = self.world.rows[base:]
        self.tape = [entry for entry in self.world.tape if base <= entry[0] < len(self.world.rows)]
        self.setup = self.world.setup()

    def fresh(self, setup: Setup) -> Account:
        return Account(recover(setup, kept=self.state), setup.settings)

    def replayed(self, **options: Any) -> tuple[Account, Outcome]:
        setup = options.pop("setup", None) or self.world.setup()
        account = self.fresh(setup)
        return account, Replay(account, **options).run(self.rows, self.tape)


@pytest.mark.parametrize("is_whole", [True, False], ids=["from the first row", "from a snapshot"])
@pytest.mark.parametrize("strategy", [Restless, Bracketed])
@pytest.mark.parametrize("seed", range(16))
def test_every_run_is_decided_again_as_it_was(
    seed: int, strategy: type[Any], is_whole: bool
) -> None:
    run = Run(seed, is_whole=is_whole, strategy=strategy)
    account, outcome = run.replayed()
    if outcome.known.lost:
        # Strategies forget with a crash what no tape has; what was equal until then counts.
        first = min(outcome.known.lost)
        assert all(found.row >= first for found in outcome.differences)
        return
    assert outcome.is_equal, outcome.differences[0]
    base = recover(run.world.setup(), kept=run.state, rows=run.rows, tape=run.tape)
    assert snapshot.dump(account.state) == snapshot.dump(base.state)


@given(st.integers(0, 15), st.data())
def test_a_market_event_that_is_missing_is_noticed(seed: int, data: st.DataObject) -> None:
    """The strategy draws on every quote, so that each one shows in what it decides next."""
    run = Run(seed, faults=NONE)
    decided = [row.seq for row in run.rows if row.row.kind == "intent"]
    heard = [at for at, (seq, _) in enumerate(run.tape) if decided and seq < decided[-1]]
    if len(heard) < 2:
        return
    del run.tape[data.draw(st.sampled_from(heard[:-1]))]
    _, outcome = run.replayed()
    assert not outcome.is_equal
    assert outcome.recorded != outcome.replayed


@pytest.mark.parametrize("seed", range(12))
def test_a_tighter_limit_denies_orders_and_leaves_the_account_as_recorded(seed: int) -> None:
    run = Run(seed, faults=NONE)
    _, before = run.replayed()
    limits = Limits(position_notional_max=BTC.notional(110_00, LOT))
    setup = msgspec.structs.replace(run.world.setup(), limits=limits)
    account, outcome = run.replayed(setup=setup, known=before.known)
    if not outcome.differences:
        return
    first = outcome.differences[0]
    assert first.now is None or first.now.kind in ("denied", "place")
    base = recover(run.world.setup(), rows=run.rows, tape=run.tape).state
    for name, slot in base.instruments.items():
        assert account.state.instruments[name].net.quantity == slot.net.quantity
    assert account.state.wallet == base.wallet


@pytest.mark.parametrize("seed", range(6))
def test_without_a_change_nothing_differs_with_what_is_known(seed: int) -> None:
    run = Run(seed)
    _, before = run.replayed()
    _, again = run.replayed(known=before.known)
    assert before.is_equal
    assert again.differences == []
    assert again.replayed == before.replayed


@pytest.mark.parametrize("seed", range(8))
def test_without_the_lock_exactly_what_waited_would_have_left(seed: int) -> None:
    run = Run(seed, faults=NONE)
    _, before = run.replayed()
    _, outcome = run.replayed(known=before.known, lets_out=frozenset({IN_FLIGHT}))
    waited = [row.seq for row in run.rows if b"DECISION_IN_FLIGHT" in row.row.body]
    pairs = [(found.then, found.now) for found in outcome.differences]
    assert [then.row for then, _ in pairs if then is not None] == waited
    assert all(now is not None and now.kind is Kind.PLACE for _, now in pairs)
    assert outcome.same.get(Kind.PLACE, 0) == before.same.get(Kind.PLACE, 0)


@pytest.mark.parametrize("seed", range(12))
def test_verbs_of_an_operator_are_part_of_the_record(seed: int) -> None:
    world = World(seed, strategy=Restless if seed % 2 else Bracketed)

    def ask(name: str) -> None:
        if world.engine is not None:
            command = Command(ts_event=world.ts, name=name, actor="alice", reason="a drill")
            world._hear(command, world._life)

    for second, name in ((5, "pause"), (9, "resume"), (14, "halt"), (20, "resume"), (30, "halt")):
        world.at(T0 + second * SECOND, ask, name)
    world.run()
    tape = [entry for entry in world.tape if entry[0] < len(world.rows)]
    account = Account(recover(world.setup()), world.settings)
    outcome = Replay(account).run(world.rows, tape)
    assert any(row.row.kind == "command" for row in world.rows)
    assert outcome.known.lost or outcome.is_equal, outcome.differences[0]
