"""Fills the read model from a running driver; reads only."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

from interlock.kernel.external import EXTERNAL
from interlock.kernel.state import InstrumentSlot, Order
from interlock.live.driver import Driver
from interlock.model.rows import FillRow
from interlock.model.units import MONEY_EXPONENT, format_units
from interlock.runtime.values import Notice
from interlock.ui.read_model import (
    FillLine,
    NoticeLine,
    OrderLine,
    PositionLine,
    Status,
    StreamLine,
)

_MS = 1_000_000
_SIDES = {1: "buy", -1: "sell"}
_LINES = 50


class Watcher:
    """Remembers what a person wants to see of the past: the newest fills and notices."""

    def __init__(self) -> None:
        self.fills: deque[FillRow] = deque(maxlen=_LINES)
        self.notices: deque[NoticeLine] = deque(maxlen=_LINES)
        self.counts: Counter[str] = Counter()

    def hear(self, fact: Any) -> None:
        """Take in a fact or a notice of the engine."""
        if isinstance(fact, Notice):
            self.counts[fact.name] += 1
            line = NoticeLine(
                ts=fact.ts_event,
                level=fact.level,
                name=fact.name,
                subject=fact.subject,
                text=fact.text,
            )
            if fact.level != "INFO" or fact.name in _WORTH_SEEING:
                self.notices.append(line)
            return
        self.counts[type(fact).__name__] += 1
        if isinstance(fact, FillRow):
            self.fills.append(fact)


_WORTH_SEEING = frozenset(
    {"RECOVERED", "COMMAND", "STREAM_UP", "STREAM_DOWN", "PROTECTED", "CONNECTION_CLOSED"}
)


def status_of(driver: Driver, watcher: Watcher, *, ts_started: int) -> Status:
    """The present state of a driver."""
    engine, ts = driver.engine, driver.doors.clock.now_ns()
    desk = engine.desk
    state, reason = desk.books.switches.get("", ("starting", ""))
    equity = desk.state.equity()
    budget, breaker = engine.asks.budget, engine.asks.breaker
    beat = engine.heartbeat
    return Status(
        ts=ts,
        account=desk.settings.account,
        venue=driver.doors.venue.name,
        mode=desk.settings.mode,
        state=state,
        reason=reason,
        strategies=tuple(name for name in desk.state.strategies if name != EXTERNAL),
        is_trading=engine.startup.is_trading,
        epoch=engine.fence.lease.epoch,
        uptime_ms=(ts - ts_started) // _MS,
        decision_age_ms=beat.age_ns(ts) // _MS if beat.decisions else -1,
        decisions=beat.decisions,
        lag_p99_ms=round(beat.lag_ns() / _MS, 2),
        step_p99_us=round(_p99(driver.lags.decided) / 1_000, 1),
        commit_p99_ms=round(_p99(driver.lags.committed) / _MS, 2),
        send_p99_ms=round(_p99(driver.lags.sent) / _MS, 2),
        equity="unknown" if equity is None else _money(equity),
        wallet=_money(desk.state.wallet),
        currency=desk.state.currency,
        ledger_seq=desk.ledger_seq,
        unknown_orders=sum(slot.unknown for slot in desk.state.instruments.values()),
        rate_left=budget.level(ts),
        rate_capacity=budget.capacity,
        silent_until_ms=max(0, (budget.ts_silent - ts) // _MS),
        connection=str(breaker.state),
        positions=tuple(_positions(driver)),
        orders=tuple(_order(order, desk.state.instruments, ts) for order in _open(driver)),
        fills=tuple(_fill(row, desk.state.instruments) for row in watcher.fills),
        streams=tuple(_streams(driver, ts)),
        notices=tuple(watcher.notices),
        counts=dict(watcher.counts),
    )


def _open(driver: Driver) -> Iterable[Order]:
    return sorted(driver.engine.desk.state.open.values(), key=lambda order: order.ts_submitted)


def _positions(driver: Driver) -> Iterable[PositionLine]:
    engine = driver.engine
    external = engine.external
    naked = {key.split(" ")[-1] for key in engine.guard.naked}
    switches = engine.desk.books.switches
    for name, slot in engine.desk.state.instruments.items():
        net, instrument = slot.net, slot.instrument
        mark = slot.mark
        scale = 10**instrument.price_exponent
        has_mark = bool(mark)
        yield PositionLine(
            instrument=name,
            quantity=instrument.quantity_text(net.quantity),
            entry=f"{net.average_price():.{instrument.price_exponent}f}" if net.quantity else "",
            mark=f"{mark / scale:.{instrument.price_exponent}f}" if has_mark else "unknown",
            unrealized=_money(net.unrealized(mark)) if net.quantity and has_mark else "",
            realized=_money(net.realized),
            external=instrument.quantity_text(external[name]) if name in external else "",
            is_protected=name not in naked,
            is_paused=switches.get(name, ("", ""))[0] == "paused",
        )


def _order(order: Order, instruments: dict[str, InstrumentSlot], ts: int) -> OrderLine:
    spec = order.spec
    instrument = instruments[spec.instrument].instrument
    shown = spec.price or spec.trigger
    return OrderLine(
        client_order_id=order.client_order_id,
        instrument=spec.instrument,
        strategy=order.owner.name,
        side=_SIDES[spec.side],
        kind=spec.type + (" reduce" if spec.reduce_only else ""),
        price=instrument.price_text(shown) if shown else "market",
        quantity=instrument.quantity_text(spec.quantity),
        filled=instrument.quantity_text(order.filled),
        status=str(order.status),
        age_ms=max(0, ts - order.ts_submitted) // _MS,
    )


def _fill(row: FillRow, instruments: dict[str, InstrumentSlot]) -> FillLine:
    fill = row.fill
    instrument = instruments[fill.instrument].instrument
    slippage = ""
    if row.reference:
        worse = (fill.price - row.reference) * fill.side * 10_000
        slippage = f"{worse / row.reference:+.2f}"
    return FillLine(
        ts=row.ts_event,
        instrument=instrument.id,
        side=_SIDES[fill.side],
        quantity=instrument.quantity_text(fill.quantity),
        price=instrument.price_text(fill.price),
        fee=f"{_money(fill.fee)} {fill.fee_asset}",
        is_maker=fill.is_maker,
        slippage_bps=slippage,
        source=row.source,
    )


def _streams(driver: Driver, ts: int) -> Iterable[StreamLine]:
    freshness = driver.engine.gate.freshness
    settings = driver.engine.desk.settings
    rows = [(name, held, settings.market_silence_ns) for name, held in freshness.market.items()]
    rows.append(("user", freshness.user, settings.user_silence_ns))
    for name, held, budget in rows:
        seen = max(held.ts_heard, held.ts_agreed)
        state = "down" if not held.is_up else "stale" if held.is_stale else "up"
        yield StreamLine(
            name=name,
            state=state,
            silent_ms=(ts - seen) // _MS if seen else -1,
            budget_ms=budget // _MS,
        )


def _money(amount: int) -> str:
    # To the cent for the eye; the ledger has every unit.
    cents = round(amount / 10 ** (MONEY_EXPONENT - 2))
    return format_units(cents, 2)


def _p99(values: deque[int]) -> int:
    if not values:
        return 0
    return sorted(values)[min(len(values) - 1, int(0.99 * len(values)))]
