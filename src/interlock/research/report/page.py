"""Put charts, tables and style together into one HTML page."""

import json
import re
from functools import lru_cache
from importlib import resources
from typing import Any

import polars as pl
from bokeh.embed import json_item
from bokeh.models import LayoutDOM
from bokeh.resources import INLINE, Resources
from jinja2 import Environment, PackageLoader, StrictUndefined

from interlock.research import metrics
from interlock.research.report import content, figures, text
from interlock.research.result import BacktestResult

_PACKAGE = "interlock.research.report"
_TRIPS = 20
_MODEL_ID = re.compile(r"p\d+")


def render(result: BacktestResult, *, name: str = "", made: str = "") -> str:
    """The page as text. `name` is the run's name and `made` when it ran, both shown as given."""
    returns = _daily_returns(result)
    days = pl.Series("day", [], dtype=pl.Date) if returns is None else returns["day"]
    values = None if returns is None else returns["value"].to_numpy()
    charts = figures.draw(result, returns=values, days=days)
    page = (
        environment(_PACKAGE)
        .get_template("page.html")
        .render(
            result=result,
            name=name,
            made=made,
            strategy=content.strategy_name(result.config),
            instruments=content.instrument_names(result),
            period=_period(result),
            headline=content.headline(result),
            cautions=content.cautions(result),
            cards=content.cards(result),
            places=list(charts.layouts),
            notes=charts.notes,
            months=content.month_names(),
            monthly=[] if returns is None else content.monthly_table(returns),
            costs=content.cost_rows(result),
            costs_total=text.metric("costs_total", result.metrics, currency=result.currency),
            trips=content.extreme_trips(result, _TRIPS),
            groups=content.metric_groups(result),
            open_profit=_open_profit(result),
            parameters=text.flatten(dict(result.config.get("parameters", {}))),
            conventions=text.flatten(dict(result.config.get("conventions", {}))),
            settings=_settings(result),
            counters={text.counter(key): value for key, value in result.counters.items()},
            style=_asset("page.css"),
            script=_asset("page.js"),
            library=_library(),
            charts=_embed(charts.layouts),
        )
    )
    return page


def _daily_returns(result: BacktestResult) -> pl.DataFrame | None:
    try:
        returns = metrics.daily_returns(
            result.equity,
            periods_per_year=result.periods_per_year,
            initial=result.initial_equity,
        )
    except metrics.MetricUndefined:
        return None
    return None if returns.is_empty() else returns


def _period(result: BacktestResult) -> str:
    ts = result.equity["ts"]
    if ts.is_empty():
        return "no data"
    return f"{text.moment(int(ts[0]))} to {text.moment(int(ts[-1]))} UTC"


def _open_profit(result: BacktestResult) -> str:
    share = result.metrics.get("open_profit_share")
    amount = text.metric("open_profit", result.metrics, currency=result.currency)
    return amount if share is None else f"{amount}, {text.percent(share, digits=1)} of the profit"


def _settings(result: BacktestResult) -> dict[str, str]:
    shown_elsewhere = ("parameters", "conventions", "command", "versions")
    rest = {key: value for key, value in result.config.items() if key not in shown_elsewhere}
    return text.flatten(rest)


@lru_cache(maxsize=2)
def environment(package: str) -> Environment:
    """The templates of a package that writes pages, with the settings of all of them."""
    return Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@lru_cache(maxsize=2)
def _asset(name: str) -> str:
    return resources.files(_PACKAGE).joinpath("templates", name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _library() -> str:
    # Only the plotting part of Bokeh: its widgets, tables and MathJax would triple the page.
    assert INLINE.mode == "inline"
    return "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw)


def _embed(layouts: dict[str, LayoutDOM]) -> str:
    items = {place: _renumbered(json_item(layout)) for place, layout in layouts.items()}
    # A name that holds "</script>" must not end the script element.
    return json.dumps(items, separators=(",", ":")).replace("<", "\\u003c")


def _renumbered(item: Any) -> Any:
    # Bokeh numbers its models through the whole process; equal results shall give equal pages.
    names: dict[str, str] = {}

    def walk(node: Any, key: str = "") -> Any:
        if isinstance(node, dict):
            return {name: walk(value, name) for name, value in node.items()}
        if isinstance(node, list):
            return [walk(value) for value in node]
        if key in ("id", "root_id") and isinstance(node, str) and _MODEL_ID.fullmatch(node):
            return names.setdefault(node, f"p{len(names) + 1}")
        return node

    return walk(item)
