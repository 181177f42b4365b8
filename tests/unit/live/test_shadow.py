"""Shadow trading: twins are found by cause, the rate is judged by its bound, misalignment halts."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from interlock.adapters.storage import SqlLeases, open_ledger, prepare
from interlock.cli import main
from interlock.live.beside import Misaligned, Watch
from interlock.live.shadow import (
    MISALIGNED,
    MS,
    Decision,
    Record,
    ShadowError,
    ShadowTradingConfig,
    compare,
    lower_bound,
    pair,
    read_record,
)
from interlock.model.order import OrderSpec, OrderType
from interlock.model.rows import AnswerRow, FillRow, IntentRow
from interlock.model.venue import PlaceRequest, Request, TimeQuery, VenueFill, Verdict
from tests.unit.live.scripted_market import BTC, START, Hands

SECOND = 10**9
CONFIG = ShadowTradingConfig()


def decided(at_ms: int, side: int = 1, quantity: int = 100, **fields: Any) -> Decision:
    given = {"strategy": "one", "instrument": BTC.id, "tag": "", **fields}
    return Decision(side=side, quantity=quantity, ts=START + at_ms * MS, **given)


def record(*decisions: Decision) -> Record:
    return Record(list(decisions), START - 10 * SECOND, START + 1_000 * SECOND)


def test_the_bound_is_that_of_clopper_and_pearson() -> None:
    assert lower_bound(95, 100) == pytest.approx(0.898, abs=5e-4)
    assert lower_bound(388, 400) == pytest.approx(0.952, abs=5e-4)
    # With no miss the bound is alpha to the power of one over n.
    assert lower_bound(59, 59) == pytest.approx(0.05 ** (1 / 59), abs=1e-9)
    assert lower_bound(0, 10) == 0.0
    assert lower_bound(0, 0) == 0.0
    assert lower_bound(19_500, 20_000) < 0.975


def test_each_decision_has_one_twin_and_the_rest_is_alone() -> None:
    live = [decided(0), decided(1_000), decided(9_000)]
    shadow = [decided(5), decided(1_010), decided(1_020)]
    found = pair(live, shadow, window_ns=500 * MS)
    assert [(ours.ts - theirs.ts) // MS for ours, theirs in found.same] == [-5, -10]
    assert [item.ts for item in found.only_live] == [live[2].ts]
    assert [item.ts for item in found.only_shadow] == [shadow[2].ts]


def test_tag_instrument_and_strategy_are_part_of_the_cause() -> None:
    for fields in ({"tag": "stop"}, {"instrument": "OTHER"}, {"strategy": "two"}):
        found = pair([decided(0)], [decided(0, **fields)], window_ns=SECOND)
        assert not found.same and not found.opposed


def test_the_other_side_at_the_same_place_is_a_direction_mismatch() -> None:
    found = pair([decided(0), decided(100, -1)], [decided(0), decided(100)], window_ns=SECOND)
    assert len(found.same) == 1
    assert [(ours.side, theirs.side) for ours, theirs in found.opposed] == [(-1, 1)]


@pytest.mark.capability("S3-049", "S3-060")
def test_the_report_counts_rates_and_differences() -> None:
    live = [
        decided(0, filled=100, answered_ns=40 * MS, slippage=250.0, priced=100, price=1000),
        decided(10_000, quantity=104, filled=52, answered_ns=60 * MS),
        decided(20_000, quantity=120),
        decided(30_000),
    ]
    shadow = [
        decided(2, filled=100, slippage=100.0, priced=100, price=1001),
        decided(10_004),
        decided(20_000),
        decided(40_000, -1),
    ]
    found = compare(record(*live), record(*shadow), CONFIG)
    assert (found.decisions, found.aligned, found.other_size) == (5, 2, 1)
    assert (found.only_live, found.only_shadow, found.other_direction) == (1, 1, 0)
    assert found.alignment_rate == pytest.approx(0.4)
    assert 0 < found.alignment_bound < found.alignment_rate
    assert found.execution_quality == pytest.approx((1 + 0.5 + 0) / 3)
    assert not found.is_well_executed
    assert (found.avg_slippage_bps, found.shadow_slippage_bps) == (2.5, 1.0)
    assert found.avg_latency_ms == 50.0
    assert found.time_difference_ms == 2.0
    assert found.price_difference_bps == pytest.approx(10_000 / 1001)
    assert not found.is_aligned


def test_only_the_time_for_which_both_speak_is_compared() -> None:
    live = Record([decided(0), decided(50_000)], START, START + 60 * SECOND)
    shadow = Record([decided(50_001)], START + 40 * SECOND, START + 70 * SECOND)
    found = compare(live, shadow, CONFIG)
    assert (found.decisions, found.aligned) == (1, 1)
    nothing = compare(Record([]), shadow, CONFIG)
    assert math.isnan(nothing.alignment_rate) and nothing.alignment_bound == 0.0
    assert not nothing.is_aligned


@pytest.mark.capability("S3-048", "S3-051", "S3-052")
def test_the_configuration_is_checked() -> None:
    assert CONFIG.enabled and CONFIG.track_slippage and CONFIG.track_latency
    for fields in (
        {"signal_tolerance_pct": Decimal(5)},
        {"execution_quality_threshold": Decimal("-0.1")},
        {"max_misalignment_count": 0},
        {"grace_ms": 0},
    ):
        with pytest.raises(ShadowError):
            ShadowTradingConfig(**fields)


class Beside:
    """Both sides of a watch, and what it said."""

    def __init__(self, **config: Any) -> None:
        self.clock = Hands()
        self.halts: list[Misaligned] = []
        given = ShadowTradingConfig(**config)
        self.watch = Watch(given, self.clock, halt=self.halts.append)

    def order(self, side: int = 1, quantity: int = 100) -> Request:
        spec = OrderSpec(BTC.id, side, quantity, OrderType.MARKET)
        return PlaceRequest(request_id=1, client_order_id="a", spec=spec)

    def later(self, seconds: float = 3.0) -> None:
        self.clock.ts += int(seconds * SECOND)
        self.watch.settle()


@pytest.mark.capability("S3-050")
def test_three_misaligned_decisions_in_a_row_halt() -> None:
    desk = Beside()
    for number in range(3):
        assert not desk.halts
        if number == 1:
            desk.watch.live(desk.order())
            desk.watch.shadow(desk.order(quantity=200))
        else:
            desk.watch.live(desk.order())
        desk.later()
    (halt,) = desk.halts
    assert "3 misaligned decisions in a row" in halt.text and "only live" in halt.text


def test_an_aligned_decision_begins_the_count_anew() -> None:
    desk = Beside()
    for _ in range(4):
        desk.watch.shadow(desk.order())
        desk.later()
        desk.watch.shadow(desk.order(quantity=104))
        desk.watch.live(desk.order())
        desk.later()
    assert not desk.halts
    assert (desk.watch.aligned, desk.watch.misaligned, desk.watch.in_a_row) == (4, 4, 0)


def test_the_other_direction_halts_at_once() -> None:
    desk = Beside()
    desk.watch.live(desk.order(1))
    desk.watch.shadow(desk.order(-1))
    assert not desk.halts  # the twin of either may be on its way
    desk.later()
    (halt,) = desk.halts
    assert "live bought" in halt.text and "the shadow sold" in halt.text


def test_questions_are_no_decisions() -> None:
    desk = Beside(max_misalignment_count=1)
    desk.watch.live(TimeQuery(request_id=2))
    desk.later()
    assert not desk.halts


def write(folder: Path, decisions: list[Decision]) -> None:
    """A ledger with these decisions, each answered after 30 ms and filled whole."""
    where = folder / "ledger.sqlite"
    folder.mkdir()
    lease = SqlLeases(prepare(where)).acquire("main", "me", ts=START, ttl_ns=10**15)
    assert lease is not None
    ledger = open_ledger(where, leases=[lease])
    for number, item in enumerate(decisions, 1):
        name = f"il-1-{number}"
        spec = OrderSpec(BTC.id, item.side, item.quantity, tag=item.tag)
        intent = IntentRow(
            ts_event=item.ts,
            client_order_id=name,
            account="main",
            strategy="one",
            spec=spec,
            epoch=1,
        )
        answer = AnswerRow(
            ts_event=item.ts + 30 * MS,
            client_order_id=name,
            request_id=number,
            attempt="place",
            verdict=Verdict.ACCEPTED,
        )
        fill = FillRow(
            ts_event=item.ts + 31 * MS,
            fill=VenueFill(
                instrument=BTC.id,
                trade_id=number,
                client_order_id=name,
                venue_order_id=str(number),
                side=item.side,
                price=100_000 + 20 * item.side,
                quantity=item.quantity,
                fee=0,
                fee_asset="USDT",
                is_maker=False,
                ts_venue=item.ts,
            ),
            client_order_id=name,
            strategy="one",
            position_after=0,
            reference=100_000,
        )
        ledger.append([intent, answer, fill])
    ledger.commit()
    ledger.close()


@pytest.mark.capability("S3-047", "S3-054", "S3-061")
def test_the_command_reads_two_ledgers_and_judges(tmp_path: Path) -> None:
    many = [decided(10_000 * number, (-1) ** number) for number in range(80)]
    write(tmp_path / "live", many)
    write(tmp_path / "shadow", [decided(10_000 * n + 7, (-1) ** n) for n in range(80)])
    write(tmp_path / "poor", many[::2])
    kept = read_record(tmp_path / "live")
    assert len(kept.decisions) == 80
    assert kept.decisions[0].filled == 100

    def ask(live: str, shadow: str, *more: str) -> Any:
        sides = ["--live", str(tmp_path / live), "--shadow", str(tmp_path / shadow)]
        return CliRunner().invoke(main, ["shadow", "report", *sides, *more])

    good = ask("live", "shadow")
    assert good.exit_code == 0, good.output
    assert "Signal alignment     100.00%, at least 96.32%" in good.output
    assert "Average slippage     2.00 bps" in good.output
    assert "Average latency      30.00 ms" in good.output
    assert "Between twins        7.00 ms" in good.output
    bad = ask("live", "poor")
    assert bad.exit_code == 1
    assert MISALIGNED in bad.output
    assert '"alignment_rate":0.5' in ask("live", "poor", "--json").output
    gone = ask("live", "nowhere")
    assert gone.exit_code == 1 and "does not exist" in gone.output
