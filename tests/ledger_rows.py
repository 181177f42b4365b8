"""One row of every kind, and sessions of rows, for the tests of the ledger."""

from __future__ import annotations

from interlock.model import rows
from interlock.model.facts import LateFill
from interlock.model.instrument import FixedTick, Instrument, InstrumentKind
from interlock.model.order import Change, OrderSpec, OrderStatus, OrderType
from interlock.model.venue import CancelRequest, Payment, VenueFill, Verdict

BTC = "BTCUSDT-PERP.BINANCE"
SECOND = 1_000_000_000
NOON = 1_705_320_000 * SECOND  # 2024-01-15 12:00 UTC

INSTRUMENT = Instrument(
    id=BTC,
    kind=InstrumentKind.PERPETUAL,
    base="BTC",
    quote="USDT",
    price_exponent=2,
    quantity_exponent=3,
    price_rule=FixedTick(10),
    lot=1,
    allow_short=True,
)


def intent(number: int, ts: int = NOON, *, epoch: int = 1) -> rows.IntentRow:
    """A limit order to buy 0.005 at 42,000.00."""
    return rows.IntentRow(
        ts_event=ts,
        client_order_id=f"e{epoch}-{number}",
        account="main",
        strategy="trend",
        spec=OrderSpec(BTC, 1, 5, OrderType.LIMIT, 4_200_000),
        epoch=epoch,
        request_id=number,
        payload_hash=bytes(32),
        ts_deadline=ts + 5 * SECOND,
        config_version="v1",
    )


def moved(order: rows.IntentRow, change: Change, *, after: OrderStatus) -> rows.TransitionRow:
    """A transition of the order from SUBMITTED."""
    return rows.TransitionRow(
        ts_event=order.ts_event + SECOND,
        client_order_id=order.client_order_id,
        change=change,
        before=OrderStatus.SUBMITTED,
        after=after,
        quantity=order.spec.quantity,
        filled=order.spec.quantity if after is OrderStatus.FILLED else 0,
        price=order.spec.price,
        venue_order_id="77",
        evidence="stream",
    )


def filled(order: rows.IntentRow, trade_id: int = 9) -> rows.FillRow:
    """The order's only execution."""
    spec = order.spec
    return rows.FillRow(
        ts_event=order.ts_event + SECOND,
        fill=VenueFill(
            instrument=spec.instrument,
            trade_id=trade_id,
            client_order_id=order.client_order_id,
            venue_order_id="77",
            side=spec.side,
            price=spec.price,
            quantity=spec.quantity,
            fee=8_400_000,
            fee_asset="USDT",
            is_maker=True,
            ts_venue=order.ts_event + SECOND,
        ),
        client_order_id=order.client_order_id,
        strategy=order.strategy,
        account=order.account,
        position_after=5,
        source="stream",
    )


def every_kind() -> list[rows.AnyRow]:
    """A small session in which every kind of row occurs."""
    order = intent(1)
    return [*_start(), order, *_life(order), *_house()]


def _start() -> list[rows.AnyRow]:
    lease = rows.LeaseEvent.ACQUIRED
    return [
        rows.StateRow(ts_event=NOON, state="started", mode="paper", version="0.1.0"),
        rows.LeaseRow(ts_event=NOON, account="main", holder="one", epoch=1, event=lease),
        rows.InstrumentRow(ts_event=NOON, instrument=INSTRUMENT),
        rows.PolicyRow(ts_event=NOON, version="v1", digest="ab"),
    ]


def _life(order: rows.IntentRow) -> list[rows.AnyRow]:
    name, ts = order.client_order_id, order.ts_event
    cancel = CancelRequest(request_id=2, client_order_id=name, instrument=BTC)
    payment = Payment(
        kind="funding", instrument=BTC, asset="USDT", amount=-12, payment_id="f1", ts_venue=ts
    )
    return [
        rows.AnswerRow(
            ts_event=ts, client_order_id=name, request_id=1, attempt="place",
            verdict=Verdict.ACCEPTED, venue_order_id="77",
        ),
        moved(order, Change.ACCEPT, after=OrderStatus.ACCEPTED),
        rows.RequestRow(ts_event=ts, account="main", request=cancel, epoch=1),
        filled(order),
        moved(order, Change.FILL_ALL, after=OrderStatus.FILLED),
        rows.FactRow(ts_event=ts, fact=LateFill(ts, name, 5)),
        rows.PaymentRow(ts_event=ts, payment=payment, account="main"),
    ]  # fmt: skip


def _house() -> list[rows.AnyRow]:
    critical = rows.Severity.CRITICAL
    found = rows.Difference(
        subject="position", cause="manual_trade", severity=critical, instrument=BTC, ours="5",
        venue="7",
    )  # fmt: skip
    return [
        rows.AdjustmentRow(
            ts_event=NOON, instrument=BTC, quantity=2, bucket="external", cause="manual_trade",
            position_after=2, account="main",
        ),
        rows.ReconcileRow(
            ts_event=NOON, account="main", scope="full", severity=critical, differences=(found,)
        ),
        rows.CommandRow(
            ts_event=NOON, name="pause", actor="kim", reason="look", is_accepted=True,
            arguments={"scope": BTC},
        ),
        rows.BreakerRow(
            ts_event=NOON, breaker="daily_loss", event_type=rows.BreakerEvent.TRIP, value=31,
            limit=30,
        ),
        rows.ReleaseRow(ts_event=NOON, subject="strategy", name="trend", version="2"),
        rows.EventRow(ts_event=NOON, name="COID_DUPLICATE", level="ERROR", fields={"n": "1"}),
        rows.CheckpointRow(ts_event=NOON, covers=12, digest="cd", size=9, reason="interval"),
    ]  # fmt: skip
