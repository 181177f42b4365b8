"""Unmodified ccxt against a loopback venue: whatever the venue's habits, the rows are the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from interlock.adapters.ccxt_history import (
    CcxtHistory,
    DataRefusedError,
    HistoryError,
    HistoryRequest,
    VenueClient,
    VenueUnreachableError,
    open_history,
)
from interlock.adapters.ccxt_history.pages import NS_PER_MS
from interlock.adapters.ccxt_history.venue import ATTEMPTS, Pacer, moved
from interlock.model.instrument import FixedTick, InstrumentKind
from interlock.model.units import parse_units
from tests.contract.loopback_venue import HOUR, MINUTE, START, Fault, LoopbackVenue, Market, bar

PERPETUAL = "BTC/USDT:USDT"


class VirtualClock:
    """Time that passes only by waiting."""

    def __init__(self, now_ms: int) -> None:
        self.time_ns = now_ms * NS_PER_MS
        self.waits: list[float] = []
        self.told: list[str] = []

    def now_ns(self) -> int:
        return self.time_ns

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time_ns += int(seconds * 1e9)


@contextmanager
def opened(
    market: Market | None = None,
    *,
    venue: str = "binanceusdm",
    symbol: str = PERPETUAL,
    **request: Any,
) -> Iterator[tuple[CcxtHistory, LoopbackVenue, VirtualClock]]:
    """A history of one series, its venue and its clock."""
    facts = {"kind": "bars", "step": "1m", "start_ns": START * NS_PER_MS} | request
    with LoopbackVenue(market) as server:
        clock = VirtualClock(server.market.now_ms)
        client = VenueClient(venue, clock=clock, url=server.url, tell=clock.told.append)
        try:
            yield open_history(client, HistoryRequest(symbol=symbol, **facts)), server, clock
        finally:
            client.close()


def rows_of(history: CcxtHistory, end_ms: int, start_ms: int = START) -> dict[str, Any]:
    """All columns from page to page."""
    cursor, end = start_ms * NS_PER_MS, end_ms * NS_PER_MS
    parts = []
    while cursor < end:
        page = history.page(cursor, end)
        assert page.next_ns > cursor
        cursor = page.next_ns
        parts.append(page.columns)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def expected_bars(times_ms: list[int], exponents: tuple[int, int] = (1, 3)) -> list[list[int]]:
    """The venue's formula in units."""
    rows = []
    for at in times_ms:
        *prices, volume = bar(at)
        units = [parse_units(price, exponents[0]) for price in prices]
        rows.append([at * NS_PER_MS, *units, parse_units(volume, exponents[1])])
    return rows


def as_rows(columns: dict[str, Any]) -> list[list[int]]:
    return np.column_stack(list(columns.values())).tolist()


def minutes(first: int, end: int) -> list[int]:
    return [START + index * MINUTE for index in range(first, end)]


# ---------------------------------------------------------------- instruments


def test_a_perpetual_carries_tick_lot_fees_and_limits() -> None:
    with opened() as (history, _, _):
        instrument = history.instrument
    assert instrument.id == "BTCUSDT-PERP.BINANCE"
    assert instrument.kind is InstrumentKind.PERPETUAL
    assert (instrument.price_exponent, instrument.quantity_exponent) == (1, 3)
    assert instrument.price_rule == FixedTick(1)
    assert (instrument.lot, instrument.min_quantity) == (1, 1)
    assert instrument.min_notional == 100 * 10**8
    assert (instrument.maker_rate, instrument.taker_rate) == (200, 500)
    assert instrument.allow_short


def test_a_spot_market_of_another_venue_carries_its_own() -> None:
    with opened(venue="kraken", symbol="BTC/USD") as (history, _, _):
        instrument = history.instrument
    assert instrument.id == "BTCUSD.KRAKEN"
    assert instrument.kind is InstrumentKind.SPOT
    assert (instrument.price_exponent, instrument.quantity_exponent) == (1, 8)
    assert (instrument.min_quantity, instrument.min_notional) == (5_000, 50_000_000)
    assert (instrument.maker_rate, instrument.taker_rate) == (2_500, 4_000)
    assert not instrument.allow_short


def test_asked_exponents_widen_the_units() -> None:
    with opened(price_exponent=2, quantity_exponent=5) as (history, _, _):
        instrument = history.instrument
    assert (instrument.price_exponent, instrument.quantity_exponent) == (2, 5)
    assert instrument.price_rule == FixedTick(10)
    assert instrument.lot == 100


# ---------------------------------------------------------------- habits


HABITS = {
    "plain": Market(),
    "small pages": Market(page_max=70),
    "an answer covers only its window": Market(windowed=True, page_max=70),
    "the last row comes twice": Market(repeats_last=True, page_max=70),
    "rows in no order": Market(shuffled=True, page_max=70),
    "the head is cut, not the tail": Market(cuts_head=True, windowed=True, page_max=300),
    "most of the head is cut": Market(cuts_head=True, windowed=True, page_max=70),
}


@pytest.mark.parametrize("market", HABITS.values(), ids=HABITS.keys())
def test_bars_are_complete_and_exact_whatever_the_habit(market: Market) -> None:
    with opened(market) as (history, _, _):
        found = rows_of(history, START + 390 * MINUTE)
    assert as_rows(found) == expected_bars(minutes(0, 390))


def test_rows_sent_twice_are_counted() -> None:
    with opened(Market(repeats_last=True)) as (history, _, _):
        page = history.page(START * NS_PER_MS, (START + 390 * MINUTE) * NS_PER_MS)
    assert page.repeats == 1


def test_the_open_bar_is_left_out() -> None:
    now = START + 10 * MINUTE + 30_000
    with opened(Market(now_ms=now)) as (history, server, _):
        assert server.market.bars(START, 500)[-1][0] == START + 10 * MINUTE
        found = rows_of(history, now)
    assert as_rows(found) == expected_bars(minutes(0, 10))


@pytest.mark.parametrize("windowed", [False, True])
def test_an_outage_is_a_hole_and_not_the_end(windowed: bool) -> None:
    hole = (START + 100 * MINUTE, START + 300 * MINUTE)
    market = Market(outages=[hole], windowed=windowed, page_max=50 if not windowed else 1000)
    with opened(market) as (history, _, _):
        found = rows_of(history, START + 390 * MINUTE)
    assert as_rows(found) == expected_bars(minutes(0, 100) + minutes(300, 390))


def test_an_outage_longer_than_a_page_of_a_windowed_venue_is_skipped() -> None:
    hole = (START + 100 * MINUTE, START + 2_500 * MINUTE)
    market = Market(outages=[hole], windowed=True, now_ms=START + 2_600 * MINUTE)
    with opened(market) as (history, _, _):
        found = rows_of(history, START + 2_600 * MINUTE)
    assert as_rows(found) == expected_bars(minutes(0, 100) + minutes(2_500, 2_600))


def test_the_years_before_a_listing_cost_few_requests() -> None:
    listed = START + 60 * 24 * HOUR + 30 * MINUTE
    market = Market(windowed=True, listed_ms=listed, now_ms=listed + 90 * MINUTE)
    with opened(market) as (history, server, _):
        found = rows_of(history, listed + 90 * MINUTE)
        assert len(server.requests) < 20
    first = (listed - START) // MINUTE
    assert as_rows(found) == expected_bars(minutes(first, first + 90))


def test_an_outage_behind_a_cut_head_loses_no_row_after_it() -> None:
    hole = (START, START + 600 * MINUTE)
    market = Market(outages=[hole], windowed=True, cuts_head=True, page_max=70)
    market.now_ms = START + 1_000 * MINUTE
    with opened(market) as (history, _, _):
        found = rows_of(history, START + 990 * MINUTE)
    assert as_rows(found) == expected_bars(minutes(600, 990))


def test_a_market_listed_later_begins_when_it_was_listed() -> None:
    market = Market(listed_ms=START + 200 * MINUTE)
    with opened(market) as (history, _, _):
        found = rows_of(history, START + 390 * MINUTE)
    assert as_rows(found) == expected_bars(minutes(200, 390))


def test_a_venue_that_ignores_the_start_is_refused() -> None:
    market = Market(ignores_start=True, now_ms=START + 5_000 * MINUTE)
    with (
        opened(market) as (history, _, _),
        pytest.raises(DataRefusedError, match=r"asked for bars from 2024-01-01 00:00:00.*--from"),
    ):
        rows_of(history, START + 390 * MINUTE)


def test_a_venue_that_keeps_only_recent_bars_is_refused_outside_and_read_inside() -> None:
    market = Market(now_ms=START + 2_000 * MINUTE)
    with opened(market, venue="kraken", symbol="BTC/USD") as (history, _, _):
        with pytest.raises(DataRefusedError, match="keeps no older ones"):
            rows_of(history, START + 1_990 * MINUTE)
        found = rows_of(history, START + 1_990 * MINUTE, START + 1_500 * MINUTE)
    assert as_rows(found) == expected_bars(minutes(1_500, 1_990), (1, 8))


def test_two_different_rows_of_one_time_are_refused() -> None:
    with (
        opened(Market(contradicts=True)) as (history, _, _),
        pytest.raises(DataRefusedError, match=r"two different rows for 2024-01-01 00:01:00"),
    ):
        rows_of(history, START + 390 * MINUTE)


def test_a_price_finer_than_the_unit_is_refused_and_kept_with_the_named_remedy() -> None:
    market = Market(fine_price_ms=START + 3 * MINUTE)
    with (
        opened(market) as (history, _, _),
        pytest.raises(DataRefusedError, match=r"close 42\d+\.\d37 at .* --price-exponent 3"),
    ):
        rows_of(history, START + 390 * MINUTE)
    with opened(market, price_exponent=3) as (history, _, _):
        found = rows_of(history, START + 390 * MINUTE)
    assert found["close"][3] % 100 == 37


# ---------------------------------------------------------------- trades and funding


@pytest.mark.parametrize(
    "market",
    [
        Market(trades_per_ms=3),
        Market(trades_per_ms=3, page_max=100),
        Market(trades_per_ms=3, page_max=100, repeats_last=True, shuffled=True),
    ],
    ids=["whole hours", "pages cut inside a millisecond", "repeated and unordered"],
)
def test_trades_are_complete_across_pages(market: Market) -> None:
    end = START + 150 * MINUTE
    with opened(market, kind="trades") as (history, _, _):
        found = rows_of(history, end)
    times = [at for at in range(START, end, 20_000) for _ in range(3)]
    assert found["ts"].tolist() == [at * NS_PER_MS for at in times]
    numbers = np.arange(len(times)) + START // 20_000 * 3
    assert np.array_equal(found["quantity"], numbers % 998 + 1)
    # The maker flag of even numbers means that the seller was the aggressor.
    assert np.array_equal(found["side"], np.where(numbers % 2 == 0, -1, 1))


def test_more_trades_in_one_millisecond_than_a_page_holds_are_refused() -> None:
    with (
        opened(Market(trades_per_ms=1_200), kind="trades") as (history, _, _),
        pytest.raises(DataRefusedError, match="download bars instead"),
    ):
        rows_of(history, START + 5 * MINUTE)


def test_funding_keeps_the_instants_of_the_venue() -> None:
    market = Market(now_ms=START + 100 * HOUR)
    with opened(market, kind="funding") as (history, _, _):
        found = rows_of(history, START + 100 * HOUR)
    instants = [at + at // HOUR % 3 for at in range(START, START + 100 * HOUR, 8 * HOUR)]
    assert found["ts"].tolist() == [at * NS_PER_MS for at in instants]
    rates = [(at // HOUR % 17 - 5) * 100_000 for at in range(START, START + 100 * HOUR, 8 * HOUR)]
    assert found["rate"].tolist() == rates


# ---------------------------------------------------------------- trouble on the way


TROUBLE = {
    "too many requests": Fault(status=429, headers={"Retry-After": "7"}),
    "bad gateway": Fault(status=502),
    "dropped": Fault(manner="drop"),
    "cut short": Fault(manner="cut"),
}


@pytest.mark.parametrize("fault", TROUBLE.values(), ids=TROUBLE.keys())
def test_passing_trouble_costs_time_and_no_rows(fault: Fault) -> None:
    with opened(Market(page_max=100)) as (history, server, clock):
        server.fail(fault, fault, after=1)
        found = rows_of(history, START + 390 * MINUTE)
    assert as_rows(found) == expected_bars(minutes(0, 390))
    assert sum(clock.waits) >= (14 if fault.status == 429 else 3)
    assert len(clock.told) == (2 if fault.status == 429 else 0)
    assert all("asking again in 7 s" in text for text in clock.told)


def test_lasting_trouble_ends_after_a_bounded_number_of_requests() -> None:
    with opened() as (history, server, _):
        before = len(server.requests)
        server.fail(*[Fault(status=502)] * 20)
        with pytest.raises(VenueUnreachableError, match=f"failed {ATTEMPTS} times.*continues"):
            rows_of(history, START + 390 * MINUTE)
        assert len(server.requests) - before == ATTEMPTS


def test_a_long_ban_is_told_and_not_waited_out() -> None:
    with opened() as (history, server, clock):
        server.fail(Fault(status=418, headers={"Retry-After": "86400"}))
        with pytest.raises(VenueUnreachableError, match="asks to wait 86400 s"):
            rows_of(history, START + 390 * MINUTE)
    assert sum(clock.waits) < 60


def test_a_refusal_by_place_is_final() -> None:
    with opened() as (history, server, _):
        before = len(server.requests)
        server.fail(*[Fault(status=451)] * 5)
        with pytest.raises(HistoryError, match="refuses fetch_ohlcv from this place.*--url"):
            rows_of(history, START + 390 * MINUTE)
        assert len(server.requests) - before == 1


def test_requests_are_spaced_by_their_cost() -> None:
    with opened(Market(page_max=100)) as (history, server, clock):
        before = clock.time_ns
        rows_of(history, START + 390 * MINUTE)
        spent = (clock.time_ns - before) / 1e9
        # A request for 1,000 bars costs 5 units of 50 ms; we use four fifths of that rate.
        assert len(server.requests) == 5
        assert spent == pytest.approx((1 + 3 * 5) * 0.050 / 0.8, abs=0.01)


def test_the_pacer_waits_only_for_what_was_spent() -> None:
    clock = VirtualClock(START)
    pacer = Pacer(clock, 100.0)
    for cost in (None, 3, 1):
        pacer.acquire(cost)
    assert clock.waits == [pytest.approx(0.1), pytest.approx(0.3)]


# ---------------------------------------------------------------- refused before a page


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"symbol": "BTCUSDT"}, r"lists no symbol 'BTCUSDT'; use ccxt's name"),
        ({"symbol": "BTC/USD"}, r"such as BTC/USDT:USDT"),
        ({"venue": "kraken", "symbol": "BTC/USD", "kind": "funding"}, r"offers no funding"),
        ({"venue": "kraken", "symbol": "BTC/USD", "step": "1s"}, r"no bars of step '1s'.*1m"),
        ({"venue": "binanceusd"}, r"not one of ccxt's .*did you mean .*binanceusdm"),
    ],
)
def test_a_request_that_cannot_be_served_names_the_remedy(
    facts: dict[str, Any], message: str
) -> None:
    with pytest.raises(HistoryError, match=message), opened(**facts):
        pass


def test_another_address_keeps_the_paths() -> None:
    addresses = {"public": "https://{hostname}/fapi/v1", "more": {"v2": "https://x.example/v2/"}}
    assert moved(addresses, "http://127.0.0.1:9/mirror/") == {
        "public": "http://127.0.0.1:9/mirror/fapi/v1",
        "more": {"v2": "http://127.0.0.1:9/mirror/v2"},
    }
    with pytest.raises(HistoryError, match=r"must read http://host"):
        moved(addresses, "127.0.0.1:9")
