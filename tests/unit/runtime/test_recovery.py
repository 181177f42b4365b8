"""A start from what is there: a snapshot that is none, rows it has already, timers, lost leases."""

from __future__ import annotations

import msgspec
import pytest

from interlock.kernel import snapshot
from interlock.kernel.snapshot import SnapshotError
from interlock.model.limits import Limits
from interlock.model.market import Quote
from interlock.model.order import Change, OrderStatus
from interlock.model.rows import (
    InstrumentRow,
    IntentRow,
    LeaseEvent,
    LeaseRow,
    LedgerRow,
    PolicyRow,
    StoredRow,
    TransitionRow,
    encode_row,
)
from interlock.model.venue import OrderSeen, PlaceRequest
from interlock.runtime.folding import Folding
from interlock.runtime.recovery import VERSION, Member, Recovered, pack, recover
from interlock.runtime.settings import MS, SECOND
from interlock.runtime.values import LeaseChanged
from interlock.strategy.api import Strategy
from interlock.strategy.intents import Target
from tests.scenario import EQUITY
from tests.toy_players import BTC, T0
from tests.unit.runtime.core import CASH, Core, Idle, order_of, setup_of
from tests.unit.runtime.test_comparison import RESTING


class Waking(Strategy):
    """Wants to be woken a minute after its start, and again after that."""

    def on_start(self) -> None:
        self.timer("first", T0 + 60 * SECOND)

    def on_timer(self, name: str) -> None:
        self.timer("second", T0 + 120 * SECOND)


class Buyer(Strategy):
    """Wants one limit order at the first quote."""

    def on_start(self) -> None:
        self.asked = False

    def on_quote(self, quote: Quote) -> None:
        if not self.asked:
            self.asked = True
            self.limit(1, 1, "100.00")


def _stored(rows: list[LedgerRow]) -> list[StoredRow]:
    return [StoredRow(seq=seq, digest=b"", row=row) for seq, row in enumerate(rows, start=1)]


def _is_like(found: Recovered, core: Core) -> None:
    desk = core.engine.desk
    assert found.books == desk.books
    assert snapshot.dump(found.state) == snapshot.dump(desk.state)


def _kept(core: Core) -> bytes:
    desk = core.engine.desk
    return pack(desk.state, desk.books, desk.ledger_seq)


def test_a_snapshot_of_another_kind_or_version_is_refused_with_the_remedy() -> None:
    core = Core()
    other = msgspec.msgpack.decode(_kept(core))
    other[0] = VERSION + 1
    for kept, text in (
        (b"\xc1 no snapshot", "cannot be read: .*; start without it"),
        (msgspec.msgpack.encode(other), f"version {VERSION + 1} of the books is not {VERSION}"),
    ):
        with pytest.raises(SnapshotError, match=text):
            recover(setup_of(), kept=kept)


def test_rows_that_a_snapshot_has_are_passed_over() -> None:
    core = Core()
    kept, seq = _kept(core), core.engine.desk.ledger_seq
    core.hear(OrderSeen(ts_event=core.ts, order=order_of("web_1")))
    found = recover(setup_of(), kept=kept, rows=core.ledger())
    assert (found.rows, found.seq) == (2, seq + 2)
    assert found.books.switches[BTC.id][0] == "paused"
    _is_like(found, core)


def test_a_lease_that_was_lost_gives_out_no_new_ids() -> None:
    core = Core()
    core.hear(LeaseChanged(ts_event=core.ts, lease=None))
    rows = [row for row in core.rows if isinstance(row, LeaseRow)]
    assert [row.event for row in rows] == [LeaseEvent.ACQUIRED, LeaseEvent.LOST]
    found = recover(setup_of(), rows=core.ledger())
    _is_like(found, core)
    assert found.books.epoch == 7


def test_an_intent_under_a_name_of_no_engine_stays_a_row() -> None:
    core = Core()
    row = IntentRow(
        ts_event=core.ts, client_order_id="web-1", account="main", strategy="toy", spec=RESTING,
        epoch=7,
    )  # fmt: skip
    found = recover(setup_of(), rows=_stored([*core.stored, encode_row(row)]))
    assert (found.adopted, list(found.state.open)) == (0, [])
    assert "web-1" in found.books.tracks


def test_what_a_former_start_refused_stays_refused_under_wider_limits() -> None:
    narrow = msgspec.structs.replace(setup_of(Buyer), limits=Limits(order_notional_max=1))
    core = Core(narrow)
    seq, begun = len(core.stored), pack(core.engine.desk.state, core.engine.desk.books, 0)
    quote = Quote.of(BTC, core.ts, 100_00, 5_000, 100_01, 5_000)
    core.hear(quote)
    assert not core.asked
    [policy] = [row for row in core.rows if isinstance(row, PolicyRow)]
    assert (policy.limits, policy.capital) == (narrow.limits, {"toy": CASH})
    wide = Limits(order_notional_max=1_000 * 10**8)
    for kept in (None, begun):
        setup = msgspec.structs.replace(setup_of(Buyer), limits=wide)
        rows = core.ledger() if kept is None else ()
        found = recover(setup, kept=kept, rows=rows, tape=[(seq if kept is None else 0, quote)])
        assert not found.state.open
        assert found.state.limits == wide
        decided = found.state.strategies["toy"].strategy
        assert isinstance(decided, Buyer) and decided.asked


def test_another_share_of_the_cash_holds_from_the_start_that_has_it() -> None:
    core = Core()
    more = msgspec.structs.replace(setup_of(), members=[Member("toy", Idle(), CASH + 5)])
    seq = len(core.stored)
    kept = pack(core.engine.desk.state, core.engine.desk.books, seq)
    for found in (recover(more, rows=core.ledger()), recover(more, kept=kept)):
        toy = found.state.strategies["toy"]
        before = core.engine.desk.state.strategies["toy"].wallet
        assert (toy.capital, toy.wallet) == (CASH + 5, before + 5)
        assert found.state.wallet == core.engine.desk.state.wallet


@pytest.mark.parametrize("limits", [None, EQUITY])
def test_what_a_former_start_said_of_a_strategy_that_is_gone_is_passed_over(
    limits: Limits | None,
) -> None:
    core = Core()
    row = PolicyRow(ts_event=core.ts, version="", digest="", limits=limits, capital={"gone": 5})
    state, before = core.engine.desk.state, core.engine.desk.state.strategies["toy"].capital
    judged = state.limits
    Folding(state, core.engine.desk.books, core.engine.desk.settings).fold(row)
    assert state.limits == (limits or judged)
    assert "gone" not in state.strategies and state.strategies["toy"].capital == before


def test_the_rules_of_an_instrument_that_is_gone_are_passed_over() -> None:
    core = Core()
    gone = InstrumentRow(ts_event=core.ts, instrument=EQUITY)
    found = recover(setup_of(), rows=_stored([*core.stored, encode_row(gone)]))
    assert list(found.state.instruments) == [BTC.id]
    assert found.state.instruments[BTC.id].instrument == BTC


def test_timers_of_strategies_come_back() -> None:
    setup = setup_of(strategy=Waking)
    core = Core(setup=setup)
    assert core.engine.desk.books.timers == {"toy": {"first": T0 + 60 * SECOND}}
    found = recover(setup_of(strategy=Waking), rows=core.ledger())
    _is_like(found, core)
    core.later(60 * SECOND)
    assert core.engine.desk.books.timers == {"toy": {"second": T0 + 120 * SECOND}}
    _is_like(recover(setup_of(strategy=Waking), rows=core.ledger()), core)


@pytest.mark.parametrize("ahead", [0, 3_600 * SECOND])
def test_what_another_life_sent_may_come_for_as_long_as_an_attempt_lasts(ahead: int) -> None:
    before = Core(setup_of(Buyer))
    before.hear(Quote.of(BTC, before.ts, 100_00, 5_000, 100_01, 5_000))
    [place] = [request for request in before.asked if isinstance(request, PlaceRequest)]
    # The next life begins while the request is on its way; its clock may have been set ahead.
    ts_begin = before.ts + 100 * MS + ahead
    after = Core(setup_of(Buyer), ts=ts_begin, after=before)
    open_orders = after.engine.desk.state.open
    assert list(open_orders) == [place.client_order_id]
    while open_orders and after.ts < ts_begin + 60 * SECOND:
        after.answer_all()
        after.later(100 * MS)
    settings = after.engine.setup.settings
    least = settings.attempt_ns + settings.proof_ns
    assert least < after.ts - ts_begin < least + 2 * SECOND


def test_what_a_replay_wants_under_a_number_that_a_row_refuses_gives_way() -> None:
    """Without the market of its last decisions it may hold what the rows tell the end of."""
    core = Core()
    state = core.engine.desk.state
    owner = state.strategies["toy"]
    owner.wants[BTC.id] = Target(instrument=BTC.id, quantity=3_000, ref=5)
    row = TransitionRow(
        ts_event=core.ts,
        client_order_id=owner.client_order_id(5),
        change=Change.REJECT,
        before=OrderStatus.SUBMITTED,
        after=OrderStatus.REJECTED,
        quantity=3_000,
        filled=0,
        price=0,
        trigger=0,
        reason="RATE_BUDGET",
    )
    Folding(state, core.engine.desk.books, core.engine.desk.settings).fold(row)
    assert not owner.wants
    assert owner.strategy._next_ref == 6
