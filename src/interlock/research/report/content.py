"""Choose what the page says: headline, warnings, cards and tables, as plain text values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from interlock.research import metrics
from interlock.research.metrics import DEFINITIONS
from interlock.research.report import text
from interlock.research.result import BacktestResult

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CARDS = (
    "total_return", "cagr", "sharpe", "sortino", "max_drawdown", "annual_volatility", "hit_rate",
    "profit_factor", "trades", "time_in_market", "costs_total",
)  # fmt: skip
_SMALL_SAMPLE = 30


@dataclass(frozen=True, slots=True)
class Card:
    """A key number; `tone` is good, bad or plain."""

    title: str
    value: str
    unit: str
    note: str
    tone: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A number in a heat table: `heat` is -1 to 1, the share of the strongest color."""

    text: str
    heat: float


def strategy_name(config: Mapping[str, Any]) -> str:
    """The strategy's name from a configuration."""
    strategy = config.get("strategy", "strategy")
    if isinstance(strategy, Mapping):
        strategy = strategy.get("name", "strategy")
    return str(strategy)


def instrument_names(result: BacktestResult) -> list[str]:
    """Instruments as configured, or else as found in the prices."""
    named = result.config.get("instruments")
    if isinstance(named, list | tuple) and named:
        return [str(name) for name in named]
    return [str(name) for name in result.bars["instrument"].unique(maintain_order=True)]


def headline(result: BacktestResult) -> str:
    """One sentence with what a reader asks first."""
    values = result.metrics
    if values.get("total_return") is None:
        return "The run has no equity to measure."
    made = text.percent(values["total_return"], signed=True)
    parts = [f"{made} in {text.metric('days', values)} days"]
    if values.get("cagr") is not None:
        parts[0] += f" ({text.percent(values['cagr'], signed=True)} a year)"
    if values.get("sharpe") is not None:
        parts.append(f"Sharpe ratio {text.number(values['sharpe'])}")
    parts.append(f"largest drawdown {text.metric('max_drawdown', values)}")
    if values.get("benchmark_return") is not None:
        held = text.percent(values["benchmark_return"], signed=True)
        parts.append(f"buy and hold of {instrument_names(result)[0]} made {held}")
    return "; ".join(parts) + "."


def cautions(result: BacktestResult) -> list[str]:
    """What a careful reader should know before believing the numbers, strongest first."""
    values, counters = result.metrics, result.counters
    found: list[str] = []
    if result.synthetic:
        found.append("The data are synthetic: the numbers say nothing about a real market.")
    if counters.get("liquidations"):
        found.append(f"The account was liquidated {counters['liquidations']:,} time(s).")
    found += [f"{note}." for note in result.config.get("notes", ())]
    found += _doubtful_statistics(values)
    share = values.get("open_profit_share")
    if share is not None and abs(share) > 0.1:
        found.append(
            f"{text.percent(share, digits=1)} of the profit is unrealized: "
            f"{text.metric('open_profit', values, currency=result.currency)} in open positions."
        )
    found += _cost_cautions(result)
    found += _order_cautions(counters)
    return found


def _doubtful_statistics(values: Mapping[str, Any]) -> list[str]:
    found = []
    probability = values.get("probabilistic_sharpe")
    if probability is not None and probability < 0.95:
        found.append(
            f"The chance that the true Sharpe ratio is above 0 is "
            f"{text.percent(probability, digits=1)}, below the usual 95 %."
        )
    deflated = values.get("deflated_sharpe")
    if deflated is not None and deflated < 0.95:
        found.append(
            f"After {text.metric('trials', values)} trials the chance that this is more than the "
            f"luckiest of them is {text.percent(deflated, digits=1)}."
        )
    trades = values.get("trades")
    if trades is not None and trades < _SMALL_SAMPLE:
        found.append(f"Only {trades:,.0f} closed round trips: rates and averages are rough.")
    return found


def _cost_cautions(result: BacktestResult) -> list[str]:
    values = result.metrics
    if result.fills.is_empty():
        return ["There was no fill."]
    found = []
    if values.get("fees") == 0.0 and values.get("rebates") == 0.0:
        found.append("No fees were charged.")
    profit, costs = values.get("total_return"), values.get("costs_total")
    if profit is not None and costs is not None and costs > 0.0:
        net = profit * result.initial_equity
        if net < 0.0 < net + costs:
            found.append(
                f"Before costs of {text.money(costs, result.currency)} the run made a profit."
            )
    return found


def _order_cautions(counters: Mapping[str, int]) -> list[str]:
    found = []
    if counters.get("ambiguous_bars"):
        found.append(
            f"{counters['ambiguous_bars']:,} bar(s) held both a stop and a target: the worse for "
            "the account was taken."
        )
    refused = [
        f"{counters[name]:,} {name} by {who}"
        for name, who in (("denied", "our own limits"), ("rejected", "the venue"))
        if counters.get(name)
    ]
    if refused:
        found.append(f"Orders that never worked: {' and '.join(refused)}.")
    return found


def cards(result: BacktestResult) -> list[Card]:
    """The key numbers; a missing one carries its reason as the note."""
    values = result.metrics
    # After a search the deflated ratio is the honest one; the plain one becomes its note.
    last = "probabilistic_sharpe" if values.get("deflated_sharpe") is None else "deflated_sharpe"
    return [
        Card(
            DEFINITIONS[name].title,
            *text.metric(name, values, currency=result.currency, brief=True).partition("\u00a0")[
                ::2
            ],
            values.get("reasons", {}).get(name, "") or _card_note(name, values),
            _tone(name, values.get(name)),
        )
        for name in (*_CARDS, last)
    ]


def _card_note(name: str, values: Mapping[str, Any]) -> str:
    pairs = {
        "total_return": ("benchmark_return", "buy and hold {}"),
        "max_drawdown": ("max_drawdown_days", "lasted {}"),
        "annual_volatility": ("var_95", "VaR 95 {}"),
        "hit_rate": ("average_holding_hours", "held {} on average"),
        "trades": ("trades_per_day", "{}"),
        "time_in_market": ("average_gross_exposure", "exposure {} on average"),
        "costs_total": ("costs_per_notional_bps", "{} bps of traded notional"),
        "deflated_sharpe": ("probabilistic_sharpe", "{} without the search"),
        "sharpe": ("minimum_track_record_days", "significant after {}"),
    }
    other, pattern = pairs.get(name, ("", ""))
    if not other or values.get(other) is None:
        return ""
    shown = text.metric(other, values)
    if DEFINITIONS[other].unit == "days":
        shown = f"{values[other]:,.0f} days"
    return pattern.format(shown)


def _tone(name: str, value: float | None) -> str:
    if value is None or name not in ("total_return", "cagr", "sharpe", "sortino"):
        return "plain"
    return "good" if value > 0.0 else "bad" if value < 0.0 else "plain"


def metric_groups(result: BacktestResult) -> dict[str, list[dict[str, str]]]:
    """Every metric with value, definition and reference, by group."""
    groups: dict[str, list[dict[str, str]]] = {}
    reasons = result.metrics.get("reasons", {})
    for name, definition in DEFINITIONS.items():
        groups.setdefault(definition.group, []).append(
            {
                "name": name,
                "title": definition.title,
                "value": text.metric(name, result.metrics, currency=result.currency),
                "reason": str(reasons.get(name, "")),
                "formula": definition.formula,
                "reference": definition.reference,
            }
        )
    return groups


def monthly_table(returns: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows of year, twelve months and the year's total as heat cells, newest year first."""
    months = metrics.monthly_returns(returns)
    if months.is_empty():
        return []
    strongest = max(float(months["value"].abs().quantile(0.9) or 0.0), 0.005)
    by_key = {(row["year"], row["month"]): row["value"] for row in months.iter_rows(named=True)}
    rows = []
    for year in sorted({key[0] for key in by_key}, reverse=True):
        total = 1.0
        cells: list[Cell | None] = []
        for month in range(1, 13):
            value = by_key.get((year, month))
            cells.append(None if value is None else _heat(value, strongest))
            total *= 1.0 if value is None else 1.0 + value
        rows.append({"year": year, "cells": cells, "total": _heat(total - 1.0, strongest * 3.0)})
    return rows


def month_names() -> tuple[str, ...]:
    """Short names of the twelve months."""
    return _MONTHS


def _heat(value: float, strongest: float) -> Cell:
    shown = text.percent(value, digits=1).replace("\u00a0%", "")
    return Cell(shown, max(-1.0, min(1.0, value / strongest)))


def cost_rows(result: BacktestResult) -> list[dict[str, Any]]:
    """Each cost with its amount, its share of the absolute sum and basis points of notional."""
    named = (("fees", 1.0), ("slippage", 1.0), ("funding", 1.0), ("borrow", 1.0), ("rebates", -1.0))
    amounts = {name: sign * float(result.metrics.get(name) or 0.0) for name, sign in named}
    whole = sum(abs(value) for value in amounts.values())
    notional = float(result.fills["notional"].abs().sum())
    return [
        {
            "name": name,
            "title": DEFINITIONS[name].title,
            "amount": text.money(value, result.currency),
            "share": abs(value) / whole if whole else 0.0,
            "income": value < 0.0,
            "bps": text.number(value / notional * 1e4) if notional else text.NONE,
            "of_capital": text.percent(value / result.initial_equity),
        }
        for name, value in amounts.items()
    ]


def extreme_trips(result: BacktestResult, count: int) -> dict[str, list[dict[str, Any]]]:
    """The `count` best and worst round trips as text rows; open ones are marked."""
    trips = result.round_trips
    winners = trips.filter(pl.col("pnl") > 0.0).sort("pnl", descending=True, maintain_order=True)
    losers = trips.filter(pl.col("pnl") < 0.0).sort("pnl", maintain_order=True)
    return {
        "Largest winners": [
            _trip(row, result) for row in winners.head(count).iter_rows(named=True)
        ],
        "Largest losers": [_trip(row, result) for row in losers.head(count).iter_rows(named=True)],
    }


def _trip(row: dict[str, Any], result: BacktestResult) -> dict[str, Any]:
    move = (
        (row["exit_price"] / row["entry_price"] - 1.0) * row["side"] if row["entry_price"] else 0.0
    )
    return {
        "instrument": row["instrument"],
        "side": "long" if row["side"] > 0 else "short",
        "opened": text.moment(row["opened_ts"]),
        "closed": "open" if row["is_open"] else text.moment(row["closed_ts"]),
        "held": text.duration(row["bars_held_ns"]),
        "quantity": f"{row['quantity']:,.6g}",
        "entry": f"{row['entry_price']:,.8g}",
        "exit": f"{row['exit_price']:,.8g}",
        "move": text.percent(move, signed=True),
        "pnl": text.money(row["pnl"], result.currency),
        "good": row["pnl"] > 0.0,
    }
