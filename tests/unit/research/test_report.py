"""The report: one file, no network, small, honest, safe, and equal for equal results."""

import dataclasses
import json
import re
from typing import Any

import numpy as np
import polars as pl
import pytest

from interlock.research import metrics
from interlock.research.report import render, text
from interlock.research.report.content import cautions, monthly_table
from interlock.research.report.sampling import extremes, price_buckets, spread
from interlock.research.result import BacktestResult
from tests.unit.research.demo_result import CONFIG, MINUTE, demo_result

LIMIT = 5_000_000


@pytest.fixture(scope="module")
def demo() -> BacktestResult:
    return demo_result(rows=6_000)


@pytest.fixture(scope="module")
def page(demo: BacktestResult) -> str:
    return render(demo, name="run-1", made="2026-01-01 12:00 UTC")


def own_part(page: str) -> str:
    """The page without the plotting library."""
    start, end = page.index("</main>"), page.index('<script type="application/json"')
    return page[:start] + page[end:]


def test_the_page_is_one_file_that_asks_for_nothing(page: str) -> None:
    assert "default-src 'none'" in page
    assert not re.search(r"<(link|img|iframe|script|source)[^>]*(src|href)=\"(?!data:)", page)
    assert not re.search(r"https?://", own_part(page))
    assert len(page.encode()) < LIMIT


def test_the_page_says_what_a_reader_asks(page: str) -> None:
    for title in ("Performance", "Monthly returns", "Risk", "Costs", "Round trips",
                  "How it was simulated", "All metrics", "Repeat this run"):  # fmt: skip
        assert f"<h2>{title}" in page
    for place in ("performance", "distribution", "rolling"):
        assert f'id="chart-{place}"' in page
    assert "SYNTHETIC DATA" in page
    assert "2023-01-01 01:00 to" in page
    assert "next open" in page
    for definition in metrics.DEFINITIONS.values():
        assert f"<code>{definition.name}</code>" in page


def test_real_data_carry_no_synthetic_banner(demo: BacktestResult) -> None:
    assert "SYNTHETIC" not in own_part(render(dataclasses.replace(demo, synthetic=False)))


def test_equal_results_give_equal_pages(demo: BacktestResult, page: str) -> None:
    again = render(demo_result(rows=6_000), name="run-1", made="2026-01-01 12:00 UTC")
    assert again == page


def test_names_from_outside_stay_text() -> None:
    evil = '</script><script>alert("x")</script>'
    config = CONFIG | {"strategy": evil, "parameters": {evil: evil}, "instruments": [evil]}
    result = demo_result(rows=800, config=config)
    bars = result.bars.with_columns(instrument=pl.lit(evil))
    html = render(dataclasses.replace(result, bars=bars))
    assert evil not in html
    charts = re.search(r'id="charts">(.*?)</script>', html, re.DOTALL)
    assert charts is not None
    assert evil in json.dumps(json.loads(charts[1])).replace('\\"', '"')


def test_a_million_minutes_and_many_fills_stay_small() -> None:
    html = render(demo_result(rows=1_000_000, step=MINUTE, fill_count=50_000))
    assert len(html.encode()) < LIMIT
    assert "1,200 of 50,000 fills are drawn" in html
    assert "of 1,000,000 points" in html


@pytest.mark.parametrize("rows", [0, 1, 2, 30])
def test_a_run_without_trades_or_days_still_has_a_page(rows: int) -> None:
    empty = demo_result(rows=400)
    changes: dict[str, Any] = {
        name: getattr(empty, name).head(0) for name in ("orders", "fills", "round_trips")
    }
    frames = {name: getattr(empty, name).head(rows) for name in ("equity", "bars")}
    html = render(demo_result(rows=400, **changes, **frames))
    assert "There was no fill." in html
    assert "inf" not in re.findall(r'class="value">([^<]*)', html)
    assert "nan" not in " ".join(re.findall(r'class="value">([^<]*)', html))


def test_a_lost_account_has_a_page(demo: BacktestResult) -> None:
    lost = demo.equity.with_columns(equity=pl.lit(-1.0))
    html = render(demo_result(rows=6_000, equity=lost))
    assert "equity reached zero or less" in html


def test_cautions_follow_the_numbers(demo: BacktestResult) -> None:
    values = dict(demo.metrics) | {
        "probabilistic_sharpe": 0.6, "deflated_sharpe": 0.4, "trials": 500.0, "trades": 7.0,
        "open_profit_share": 0.5, "fees": 0.0, "rebates": 0.0, "total_return": -0.01,
        "costs_total": 5_000.0,
    }  # fmt: skip
    counters = {"ambiguous_bars": 4, "denied": 1, "rejected": 2, "liquidations": 1}
    said = " ".join(cautions(dataclasses.replace(demo, metrics=values, counters=counters)))
    expected = [
        "synthetic", "liquidated 1", "above 0 is 60.0", "After 500 trials", "Only 7", "unrealized",
        "No fees", "Before costs", "4 bar(s)", "1 denied", "2 rejected",
    ]  # fmt: skip
    for words in expected:
        assert words in said


def test_thinned_curves_keep_every_extreme() -> None:
    values = np.random.default_rng(3).normal(size=100_003).cumsum()
    values[51_234] = 1e6
    kept = extremes(values, 500)
    assert kept.size <= 2_000
    assert {0, values.size - 1, 51_234, int(values.argmin())} <= set(kept.tolist())
    assert np.all(np.diff(kept) > 0)
    assert extremes(values[:10], 500).tolist() == list(range(10))


def test_merged_bars_keep_lows_and_highs(demo: BacktestResult) -> None:
    thin = price_buckets(demo.bars, 100)
    assert thin.height <= 100
    assert thin["low"].min() == demo.bars["low"].min()
    assert thin["high"].max() == demo.bars["high"].max()
    assert thin["close"][-1] == demo.bars["close"][-1]
    assert spread(demo.bars, 50).height == 50


def test_the_year_in_the_monthly_table_compounds_its_months() -> None:
    days = pl.DataFrame(
        {"day": pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 2, 29), eager=True)}
    ).with_columns(value=pl.lit(0.0))
    days[0, "value"] = 0.1
    days[40, "value"] = -0.1
    [row] = monthly_table(days)
    assert [cell.text if cell else None for cell in row["cells"][:3]] == [
        "10.0",
        "\u221210.0",
        None,
    ]
    assert row["total"].text == "\u22121.0"


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (text.percent(-0.1234), "\u221212.34\u00a0%"),
        (text.percent(-0.000001), "0.00\u00a0%"),
        (text.percent(0.5, signed=True), "+50.00\u00a0%"),
        (text.money(-0.001, "USD"), "0.00\u00a0USD"),
        (text.money(1234.5, "USD"), "1,234.50\u00a0USD"),
        (text.money(1234.5, "USD", brief=True), "1,234\u00a0USD"),
        (text.number(0.01234), "0.0123"),
        (text.duration(90_000_000_000_000), "1 d 1 h"),
        (text.duration(45_000_000_000), "45 s"),
        (text.moment(None), "\u2013"),
        (text.metric("sharpe", {"sharpe": None}), "\u2013"),
        (text.metric("turnover_per_year", {"turnover_per_year": 12.0}), "12.00 x"),
    ],
)
def test_numbers_are_written_for_a_reader(got: str, expected: str) -> None:
    assert got == expected
