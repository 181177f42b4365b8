"""Put a session's numbers, lists and curves on one page that opens without a network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

import msgspec

from interlock.live.record import Record
from interlock.live.report import charts
from interlock.live.report.tally import Tally
from interlock.model.rows import FillRow, ReconcileRow
from interlock.model.units import MONEY_SCALE
from interlock.research.report import text
from interlock.research.report.page import environment
from interlock.runtime.loop import Lags
from interlock.runtime.values import Notice
from interlock.ui.read_model import Status

_PACKAGE = "interlock.live.report"
_INSTRUMENTS_DRAWN = 3
_NOTICES_SHOWN = 300
_SIDES = {1: "buy", -1: "sell"}
_BAD = ("WARNING", "CRITICAL")
# Notices that are worth a line on the curves.
FAULT, SURVIVED = "FAULT_INJECTED", "FAULT_SURVIVED"


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a comparison with the venue's own books."""

    what: str
    ours: str
    venue: str
    is_equal: bool


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a page is made from."""

    status: Status
    tally: Tally
    record: Record
    lags: Lags
    ts_started: int
    first_seq: int
    reason: str = ""
    fault: str = ""
    comparison: Sequence[Comparison] = ()
    synthetic: bool = False


class Card(msgspec.Struct, frozen=True):
    """A key number; the tone is good, bad or plain."""

    title: str
    value: str
    unit: str = ""
    note: str = ""
    tone: str = "plain"


def render(ended: Ended) -> str:
    """The page as text."""
    status, tally, record = ended.status, ended.tally, ended.record
    return (
        environment(_PACKAGE)
        .get_template("session.html")
        .render(
            ended=ended,
            status=status,
            tally=tally,
            headline=headline(ended),
            cards=cards(ended),
            period=f"{text.moment(ended.ts_started)} to {text.moment(status.ts)} UTC",
            lasted=_lasted(status.ts - ended.ts_started),
            curves=list(_curves(ended)),
            orders=order_rows(tally),
            doubts=[_doubt(item) for item in tally.doubts[-100:]],
            instruments=[_instrument_row(ended, name) for name in tally.turnover],
            fills=[_fill(row, tally) for row in reversed(tally.fills)],
            latencies=list(_latencies(ended)),
            streams=stream_rows(record, ended.ts_started, status.ts),
            reconciles=[_reconcile(row) for row in tally.reconciles],
            notices=[_notice(item) for item in record.notices[-_NOTICES_SHOWN:]],
            notices_left=max(0, len(record.notices) - _NOTICES_SHOWN) + record.left_out,
            commands=list(tally.commands),
            moment=_clock,
            grouped=grouped,
            style=_style(),
        )
    )


def headline(ended: Ended) -> str:
    """One sentence with what a reader asks first."""
    status, tally = ended.status, ended.tally
    held = [f"{line.quantity} {line.instrument}" for line in status.positions if line.entry]
    parts = [f"{_count(tally.total_fills, 'fill')} of {_count(tally.intents, 'order')}"]
    if tally.doubts:
        parts.append(f"{len(tally.doubts)} in doubt for a time")
    parts.append(f"position at the end: {', '.join(held) or 'flat'}")
    sentence = "; ".join(parts) + "."
    if ended.fault:
        return f"Ended by a fault: {ended.fault}. {sentence}"
    return sentence


def cards(ended: Ended) -> list[Card]:
    """The key numbers."""
    status, tally = ended.status, ended.tally
    currency = status.currency
    known = [item.equity for item in ended.record.samples if item.equity is not None]
    change = (known[-1] - known[0]) / MONEY_SCALE if len(known) > 1 else None
    notional = sum(item.notional for item in tally.turnover.values())
    slippage = sum(item.slippage for item in tally.turnover.values())
    referenced = sum(item.referenced for item in tally.turnover.values())
    fees = sum(tally.fees.values())
    unsettled = [item for item in tally.doubts if item.took_ns < 0]
    longest = max((item.took_ns for item in tally.doubts), default=0)
    return [
        Card("Equity", grouped(status.equity), currency, "at the end"),
        Card(
            "Change",
            text.NONE if change is None else f"{change:+,.2f}".replace("-", text.MINUS),
            currency,
            "since the start of the session" if known else "nothing was sampled",
            _tone(change or 0.0),
        ),
        Card("Orders", f"{tally.intents:,}", "", _ends(tally)),
        Card("Fills", f"{tally.total_fills:,}", "", _makers(tally)),
        Card("Fees", f"{fees / MONEY_SCALE:,.2f}", currency, _bps(fees, notional)),
        Card("Slippage", _bps(slippage, referenced, unit=False), "bps", "against the decision"),
        Card(
            "Unknown orders",
            f"{len(tally.doubts):,}",
            "",
            f"longest {longest / 1e9:.2f} s" if tally.doubts else "every answer was clear",
            "bad" if unsettled else "plain",
        ),
        Card(
            "Differences",
            f"{tally.differences:,}",
            "",
            f"in {_count(sum(tally.comparisons.values()), 'comparison')} with the venue",
            "bad" if tally.differences else "good",
        ),
    ]


def _tone(change: float) -> str:
    return "good" if change > 0 else "bad" if change < 0 else "plain"


def _ends(tally: Tally) -> str:
    names = ("filled", "canceled", "rejected", "expired")
    return ", ".join(f"{tally.ended[name]:,} {name}" for name in names if tally.ended[name])


def _makers(tally: Tally) -> str:
    makers = sum(item.makers for item in tally.turnover.values())
    late = sum(item.late for item in tally.turnover.values())
    return f"{makers:,} as maker" + (f", {late:,} late" if late else "")


def _bps(amount: int, of: int, *, unit: bool = True) -> str:
    if not of:
        return text.NONE
    shown = f"{amount / of * 10_000:+.2f}".replace("-", text.MINUS)
    return f"{shown.lstrip('+')} bps of notional" if unit else shown


def order_rows(tally: Tally) -> list[tuple[str, dict[str, int]]]:
    """Attempts by kind, and how the venue answered them."""
    kinds = [
        attempt
        for attempt in ("place", "cancel", "amend")
        if any(found == attempt for found, _ in tally.verdicts)
    ]
    return [
        (
            attempt,
            {
                verdict: tally.verdicts[attempt, verdict]
                for verdict in ("accepted", "rejected", "unknown", "not_sent")
            },
        )
        for attempt in kinds
    ]


def _curves(ended: Ended) -> Iterator[Any]:
    samples = ended.record.samples
    ts = [item.ts for item in samples]
    marks = [
        charts.Mark(item.ts_event, item.text, "bad" if item.name == FAULT else "good")
        for item in ended.record.notices
        if item.name in (FAULT, SURVIVED)
    ]
    equity = [None if item.equity is None else item.equity / MONEY_SCALE for item in samples]
    yield charts.draw(
        charts.Curve(title="Equity", unit=ended.status.currency, ts=ts, values=equity), marks
    )
    names = [item.instrument for item in samples[-1].held] if samples else []
    for place, name in enumerate(names[:_INSTRUMENTS_DRAWN]):
        instrument = ended.tally.instruments.get(name)
        if instrument is None:
            continue
        prices = [
            item.held[place].mark / 10**instrument.price_exponent if item.held[place].mark else None
            for item in samples
        ]
        held = [item.held[place].quantity / 10**instrument.quantity_exponent for item in samples]
        yield charts.draw(
            charts.Curve(
                title=f"Mark of {name}",
                unit=instrument.quote,
                ts=ts,
                values=prices,
                digits=instrument.price_exponent,
            ),
            marks,
        )
        yield charts.draw(
            charts.Curve(
                title="Position",
                unit=instrument.base,
                ts=ts,
                values=held,
                digits=instrument.quantity_exponent,
                is_step=True,
                has_zero=True,
            ),
            marks,
        )


def _latencies(ended: Ended) -> Iterator[tuple[str, str, str, str, int]]:
    lags = ended.lags
    for title, what, values in (
        ("decide", "one input through the kernel", lags.decided),
        ("durable", "a commit of the ledger", lags.committed),
        ("send", "from the input to the hand-over to the socket, commit included", lags.sent),
        ("answer", "from the intent to the venue's clear answer", ended.tally.trips),
    ):
        sizes = sorted(values)
        yield title, what, _at(sizes, 0.5), _at(sizes, 0.99), len(sizes)


def _at(sizes: Sequence[int], share: float) -> str:
    if not sizes:
        return text.NONE
    took = sizes[min(len(sizes) - 1, int(share * len(sizes)))]
    return f"{took / 1e3:,.0f} µs" if took < 1_000_000 else f"{took / 1e6:,.2f} ms"


def stream_rows(record: Record, ts_started: int, ts_ended: int) -> list[dict[str, str]]:
    """Each stream with how often and how long it was down after it first came up."""
    down: dict[str, int] = {}
    total: dict[str, list[int]] = {}
    for notice in record.notices:
        name = notice.subject or "all"
        if notice.name == "STREAM_UP":
            spans = total.setdefault(name, [])
            if name in down:
                spans.append(notice.ts_event - down.pop(name))
        elif notice.name == "STREAM_DOWN" and name in total:
            down.setdefault(name, notice.ts_event)
    for name, ts in down.items():
        # What went down with the engine's own end is no outage.
        if ts_ended - ts > 1_000_000_000:
            total[name].append(ts_ended - ts)
    lasted = max(1, ts_ended - ts_started)
    return [
        {
            "name": name,
            "outages": f"{len(spans):,}",
            "longest": f"{max(spans, default=0) / 1e9:.2f} s",
            "down": f"{sum(spans) / 1e9:.2f} s",
            "up": f"{100 * (1 - sum(spans) / lasted):.2f} %",
        }
        for name, spans in total.items()
    ]


def _instrument_row(ended: Ended, name: str) -> dict[str, str]:
    made = ended.tally.turnover[name]
    realized = [
        item.realized
        for sample in ended.record.samples
        for item in sample.held
        if item.instrument == name
    ]
    return {
        "name": name,
        "fills": f"{made.fills:,}",
        "notional": f"{made.notional / MONEY_SCALE:,.2f}",
        "realized": money(realized[-1] - realized[0]) if realized else text.NONE,
        "funding": money(made.funding),
        "slippage": _bps(made.slippage, made.referenced, unit=False),
    }


def _fill(row: FillRow, tally: Tally) -> dict[str, str]:
    fill = row.fill
    instrument = tally.instruments[fill.instrument]
    slippage = text.NONE
    if row.reference:
        worse = (fill.price - row.reference) * fill.side * 10_000 / row.reference
        slippage = f"{worse:+.2f}".replace("-", text.MINUS)
    return {
        "time": _clock(row.ts_event),
        "side": _SIDES[fill.side],
        "quantity": instrument.quantity_text(fill.quantity),
        "price": instrument.price_text(fill.price),
        "fee": f"{fill.fee / MONEY_SCALE:,.4f} {fill.fee_asset}",
        "kind": "maker" if fill.is_maker else "taker",
        "slippage": slippage,
        "after": instrument.quantity_text(row.position_after),
        "source": row.source + (", late" if row.is_late else ""),
        "order": row.client_order_id or "not ours",
        "instrument": fill.instrument,
    }


def _doubt(item: Any) -> dict[str, str]:
    return {
        "time": _clock(item.ts),
        "order": item.client_order_id,
        "instrument": item.instrument,
        "why": item.reason,
        "took": f"{item.took_ns / 1e9:.3f} s" if item.took_ns >= 0 else "not settled",
        "became": item.became,
        "evidence": item.evidence,
    }


def _reconcile(row: ReconcileRow) -> dict[str, Any]:
    return {
        "time": _clock(row.ts_event),
        "scope": row.scope,
        "took": f"{row.took_ns / 1e6:,.1f} ms",
        "orders": row.orders,
        "positions": row.positions,
        "severity": str(row.severity),
        "differences": [
            " ".join(
                part
                for part in (
                    item.subject,
                    item.cause,
                    item.instrument or item.client_order_id,
                    f"here {item.ours}, venue {item.venue}" if item.ours or item.venue else "",
                )
                if part
            )
            for item in row.differences
        ],
    }


def _notice(item: Notice) -> dict[str, str]:
    more = ", ".join(f"{key} {value}" for key, value in item.fields.items())
    words = [part for part in (item.subject, item.text, more) if part]
    is_bad = item.level in _BAD or item.name == FAULT
    if item.name == "ORDER_DOUBT" and not item.text.startswith("submit"):
        # The ordinary wait for the word of an order that a cancel was sent for.
        is_bad = False
    tone = "bad" if is_bad else "good" if item.name == SURVIVED else "plain"
    return {
        "time": _clock(item.ts_event),
        "name": item.name,
        "tone": tone,
        "text": " ".join(words),
    }


def money(amount: int) -> str:
    """Money units to the cent, with a true minus sign."""
    return f"{amount / MONEY_SCALE:,.2f}".replace("-", text.MINUS)


def grouped(amount: str) -> str:
    """An amount in text with its thousands apart; words stay as they are."""
    whole, _, rest = amount.lstrip("-").partition(".")
    if not whole.isdigit():
        return amount
    minus = text.MINUS if amount.startswith("-") else ""
    return f"{minus}{int(whole):,}.{rest:0<2}"


def _lasted(length_ns: int) -> str:
    return f"{length_ns / 1e9:.1f} s" if length_ns < 300 * 10**9 else text.duration(length_ns)


def _clock(ts: int) -> str:
    seconds, rest = divmod(ts, 10**9)
    day = seconds % 86_400
    return f"{day // 3600:02d}:{day // 60 % 60:02d}:{day % 60:02d}.{rest // 10**6:03d}"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" + ("" if number == 1 else "s")


def summary_lines(ended: Ended) -> Iterable[tuple[str, str]]:
    """The same in a few lines for a terminal."""
    status, tally = ended.status, ended.tally
    made = {card.title: card for card in cards(ended)}
    change = made["Change"].value.replace(text.MINUS, "-")
    held = [f"{line.quantity} {line.instrument}" for line in status.positions if line.entry]
    equity = grouped(status.equity)
    yield "Equity", f"{equity} {status.currency} ({change} in this session)"
    yield "Position", ", ".join(held) or "flat"
    yield "Ended", f"{tally.intents:,} orders: {_ends(tally) or 'none'}"
    unknown = made["Unknown orders"]
    if tally.doubts:
        yield "Unknown", f"{unknown.value} for a time, {unknown.note}"
    slippage = made["Slippage"].value.replace(text.MINUS, "-")
    yield "Fills", f"{tally.total_fills:,}, {_makers(tally)}; slippage {slippage} bps"
    yield "Fees", f"{made['Fees'].value} {status.currency}"
    yield "Comparisons", f"{made['Differences'].note}: {_count(tally.differences, 'difference')}"
    times = {title: (half, most) for title, _, half, most, _ in _latencies(ended)}
    half, most = times["send"]
    yield "Latency", f"decision to send, commit included: p50 {half}, p99 {most}"


@lru_cache(maxsize=1)
def _style() -> str:
    # The look of the backtest's report, with what only a session has.
    shared = resources.files("interlock.research.report").joinpath("templates", "page.css")
    own = resources.files(_PACKAGE).joinpath("templates", "session.css")
    return shared.read_text(encoding="utf-8") + own.read_text(encoding="utf-8")
