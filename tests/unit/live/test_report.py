"""A session's report: counts from ledger rows, curves, and a page that says what they say."""

from __future__ import annotations

from typing import Any

from interlock.live.record import Record
from interlock.live.report.charts import POINTS_MOST, Curve, Mark, draw
from interlock.live.report.page import grouped, stream_rows
from interlock.live.report.tally import Tally, tally_of
from interlock.model.order import Change, OrderSpec, OrderStatus
from interlock.model.rows import AnswerRow, FillRow, IntentRow, TransitionRow
from interlock.model.venue import VenueFill, Verdict
from interlock.runtime.values import Notice
from interlock.venue.listings import binance

BTC = binance()[0].instrument
SECOND = 10**9


def intent(name: str, ts: int, quantity: int = 100) -> IntentRow:
    spec = OrderSpec(BTC.id, 1, quantity)
    return IntentRow(
        ts_event=ts, client_order_id=name, account="main", strategy="s", spec=spec, epoch=1
    )


def fill(name: str, number: int, ts: int, quantity: int = 100) -> FillRow:
    made = VenueFill(
        instrument=BTC.id, trade_id=number, client_order_id=name, venue_order_id="1", side=1,
        price=600_060, quantity=quantity, fee=7, fee_asset="USDT", is_maker=False, ts_venue=ts,
    )  # fmt: skip
    return FillRow(
        ts_event=ts, fill=made, client_order_id=name, strategy="s", position_after=quantity,
        reference=600_000, source="stream",
    )  # fmt: skip


def answer(name: str, verdict: Verdict, ts: int) -> AnswerRow:
    return AnswerRow(
        ts_event=ts, client_order_id=name, request_id=1, attempt="place", verdict=verdict
    )


def moved(name: str, ts: int, change: Change, after: OrderStatus, **more: Any) -> TransitionRow:
    return TransitionRow(
        ts_event=ts, client_order_id=name, change=change, before=OrderStatus.SUBMITTED,
        after=after, quantity=100, **more,
    )  # fmt: skip


def tallied(*rows: object) -> Tally:
    return tally_of(enumerate(rows), [BTC])


def test_an_order_is_filled_by_its_executions() -> None:
    found = tallied(intent("a", 0), fill("a", 1, 1, 60), fill("a", 2, 2, 40))
    assert found.ended == {"filled": 1}
    assert (found.intents, found.total_fills) == (1, 2)
    assert found.fees == {"USDT": 14}
    made = found.turnover[BTC.id]
    assert round(made.slippage / made.referenced * 10_000, 6) == 1.0


def test_doubt_lasts_from_unknown_to_the_first_evidence() -> None:
    doubt = moved("a", SECOND, Change.DOUBT, OrderStatus.UNKNOWN, reason="cut")
    seen = moved("a", 4 * SECOND, Change.ACCEPT, OrderStatus.ACCEPTED, evidence="query")
    found = tallied(intent("a", 0), answer("a", Verdict.UNKNOWN, SECOND), doubt, seen)
    assert [(item.took_ns, item.became, item.evidence) for item in found.doubts] == [
        (3 * SECOND, "accepted", "query")
    ]
    assert found.verdicts == {("place", "unknown"): 1}
    assert not found.trips
    open_still = tallied(intent("a", 0), doubt)
    assert open_still.doubts[0].took_ns == -1
    by_fill = tallied(intent("a", 0), doubt, fill("a", 1, 2 * SECOND))
    assert (by_fill.doubts[0].took_ns, by_fill.doubts[0].became) == (SECOND, "filled")


def test_an_id_that_is_used_twice_is_named() -> None:
    assert tallied(intent("a", 0), intent("a", 1)).repeated_ids == ["a"]


def test_an_order_from_an_earlier_session_ends_nothing_here() -> None:
    assert not tallied(fill("old", 1, 1)).ended


def test_a_curve_keeps_its_peak_and_says_its_ends() -> None:
    values: list[float | None] = [0.0] * 10_000
    values[5_003] = 42.0
    values[7_000] = None
    ts = list(range(10_000))
    page = draw(Curve(title="a <b>", unit="x", ts=ts, values=values), [Mark(5, "it's </svg>")])
    assert "42.00" in page and "a &lt;b&gt;" in page
    assert "</svg></title>" not in page
    assert page.count("L") < 2 * POINTS_MOST


def test_a_curve_needs_two_moments() -> None:
    assert draw(Curve(title="a", unit="", ts=[], values=[])) == ""
    assert draw(Curve(title="a", unit="", ts=[1, 2], values=[None, 1.0])) == ""
    assert "1.01" in draw(Curve(title="flat", unit="", ts=[1, 2], values=[1.0, 1.0]))


def test_an_outage_is_counted_and_the_end_of_the_engine_is_none() -> None:
    record = Record()
    for ts, name in ((1, "STREAM_UP"), (10, "STREAM_DOWN"), (13, "STREAM_UP"), (99, "STREAM_DOWN")):
        record.hear(Notice(ts_event=ts * SECOND, name=name, subject="user"))
    (row,) = stream_rows(record, 0, 99 * SECOND + 1)
    assert (row["outages"], row["down"]) == ("1", "3.00 s")


def test_amounts_are_grouped_with_a_true_minus() -> None:
    assert grouped("-1234567.5") == "\u22121,234,567.50"
    assert grouped("unknown") == "unknown"
