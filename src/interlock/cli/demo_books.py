"""Our books against the exchange's own, to the unit: the last thing the demonstration does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from interlock.kernel.state import State
from interlock.live.report import Comparison
from interlock.model.rows import FillRow, IntentRow
from interlock.model.units import MONEY_EXPONENT, format_units


def compare(
    state: State, rows: Iterable[tuple[int, Any]], books: Mapping[str, Any], *, ts_end: int
) -> tuple[Comparison, ...]:
    """Lines of ours and theirs. What the market did to the account after ``ts_end`` is left out:
    the stops stay at the venue when the engine goes, and one of them may be hit."""
    fills: dict[tuple[str, int], FillRow] = {}
    intents: Counter[str] = Counter()
    for _, row in rows:
        if isinstance(row, FillRow):
            fills[row.fill.instrument, row.fill.trade_id] = row
        elif isinstance(row, IntentRow):
            intents[row.client_order_id] += 1
    later = {
        (fill["symbol"], fill["fill_id"])
        for fill in books["fills"]
        if fill["ts"] > ts_end and (fill["symbol"], fill["fill_id"]) not in fills
    }
    theirs = [fill for fill in books["fills"] if (fill["symbol"], fill["fill_id"]) not in later]
    return tuple(
        (
            *_orders(state, intents, books, ts_end),
            *_fills(fills, theirs),
            *_positions(state, theirs),
            *_money(state, fills, books, theirs, later),
        )
    )


def _orders(
    state: State, intents: Counter[str], books: Mapping[str, Any], ts_end: int
) -> Iterator[Comparison]:
    placed = Counter(order["client_id"] for order in books["orders"] if not order["conditional_id"])
    placed.update(order["client_id"] for order in books["conditional"])
    twice = sum(number - 1 for number in placed.values() if number > 1)
    foreign = len([name for name in placed if name not in intents])
    yield _line("Orders sent twice", 0, twice)
    yield _line("Orders that are not ours", 0, foreign)
    ours = set(state.open)
    venue = {order["client_id"] for order in (*books["open"], *books["open_conditional"])}
    # What ended, or was born of a stop, after we had gone.
    ended = {
        order["client_id"]
        for order in (*books["orders"], *books["conditional"])
        if order["ts_updated"] > ts_end
    }
    yield _line(
        "Open orders", len(ours), len(venue | (ours & ended)), ours - ended == venue - ended
    )


def _fills(fills: Mapping[Any, FillRow], theirs: list[Any]) -> Iterator[Comparison]:
    same = {(fill["symbol"], fill["fill_id"]) for fill in theirs} == set(fills)
    yield _line("Fills", len(fills), len(theirs), same)


def _positions(state: State, theirs: list[Any]) -> Iterator[Comparison]:
    held: Counter[str] = Counter()
    for fill in theirs:
        held[fill["symbol"]] += fill["side"] * fill["quantity"]
    for name, slot in state.instruments.items():
        show = slot.instrument.quantity_text
        yield _line(f"Position {name}", show(slot.net.quantity), show(held[name]))


def _money(
    state: State,
    fills: Mapping[Any, FillRow],
    books: Mapping[str, Any],
    theirs: list[Any],
    later: set[tuple[str, int]],
) -> Iterator[Comparison]:
    paid = sum(row.fill.fee for row in fills.values())
    yield _line("Fees", _exact(paid), _exact(sum(fill["fee"] for fill in theirs)))
    wallet = sum(
        item["wallet"] for item in books["account"]["balances"] if item["asset"] == state.currency
    )
    wallet -= sum(
        item["amount"]
        for item in books["payments"]
        if item["asset"] == state.currency and (item["symbol"], item["trade_id"]) in later
    )
    yield _line(f"Wallet, {state.currency}", _exact(state.wallet), _exact(wallet))


def _line(what: str, ours: Any, venue: Any, is_equal: bool | None = None) -> Comparison:
    same = ours == venue if is_equal is None else is_equal
    return Comparison(what=what, ours=str(ours), venue=str(venue), is_equal=same)


def _exact(amount: int) -> str:
    return format_units(amount, MONEY_EXPONENT)
