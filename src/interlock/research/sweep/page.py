"""The report of a sweep: one HTML file with a heat map, the distribution and the best trials."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import polars as pl
from bokeh.embed import file_html
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, FactorRange, HoverTool, LinearColorMapper
from bokeh.models.widgets import Div
from bokeh.palettes import Viridis256
from bokeh.plotting import figure
from bokeh.resources import INLINE

from interlock.research.sweep.result import SweepResult
from interlock.research.sweep.trial import METRICS

_WIDTH = 900
_ROWS = 200
_POINTS = 20_000


def page(result: SweepResult) -> str:
    """The report as text; needs no network."""
    name = str(result.config.get("strategy", "sweep"))
    parts: list[Any] = [Div(text=_head(result, name), width=_WIDTH, disable_math=True)]
    names = result.parameter_names
    if len(names) == 2 and _cells(result, names).height:
        parts.append(_heat(result, names))
    parts += [_scatter(result, name) for name in names if _is_number(result.trials[name])]
    parts += _histogram(result)
    parts.append(Div(text=_table(result), width=_WIDTH, disable_math=True))
    return file_html(column(*parts), resources=INLINE, title=f"Sweep of {name}")


def _head(result: SweepResult, name: str) -> str:
    states = dict(result.trials["state"].value_counts().iter_rows())
    counts = ", ".join(f"{states[key]} {key}" for key in sorted(states))
    data = result.config.get("data", {})
    lines = [
        f"<h1>Sweep of {escape(name)}</h1>",
        f"<p>{result.trials.height} trials ({escape(counts)}) on {escape(str(data.get('name')))}, "
        f"ranked by {escape(result.metric)}.</p>",
    ]
    reason = result.config.get("kernel_reason")
    if reason:
        lines.append(f"<p>Trials ran in the kernel: {escape(str(reason))}.</p>")
    if not result.top:
        return "".join([*lines, f"<p><b>No trial has a {escape(result.metric)}.</b></p>"])
    best = result.best
    deflated = best.metrics.get("deflated_sharpe")
    shown = "undefined" if deflated is None else f"{deflated:.3f}"
    agrees = "the same digest" if best.agrees else "<b>a different digest: do not trust it</b>"
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(key)}</th><td>{_number(best.metrics.get(key))}"
        "</td></tr>"
        for key in METRICS
    )
    return "".join(
        [
            *lines,
            f"<p><b>Best: trial {best.number}, {escape(_parameters(best.parameters))}</b>. The "
            f"kernel ran it again and gave {agrees}. Deflated Sharpe ratio over "
            f"{int(result.search['trials'])} trials: <b>{shown}</b> (the probability that the "
            "Sharpe ratio beats the best of as many worthless trials).</p>",
            f"<table>{rows}</table>",
        ]
    )


def _cells(result: SweepResult, names: tuple[str, ...]) -> pl.DataFrame:
    frame = result.trials.select(*names, result.metric, "number").drop_nulls()
    return frame.sort(*names, "number").unique(names, keep="first", maintain_order=True)


def _heat(result: SweepResult, names: tuple[str, ...]) -> Any:
    cells = _cells(result, names)
    axes = [[str(value) for value in cells[name].unique().sort()] for name in names]
    values = cells[result.metric]
    data = {
        "x": [str(value) for value in cells[names[0]]],
        "y": [str(value) for value in cells[names[1]]],
        "value": values.to_list(),
        "number": cells["number"].to_list(),
    }
    plot = figure(
        x_range=FactorRange(factors=axes[0]), y_range=FactorRange(factors=axes[1]),
        width=_WIDTH, height=500, title=result.metric,
        x_axis_label=names[0], y_axis_label=names[1], tools="save", toolbar_location="right",
    )  # fmt: skip
    palette = Viridis256 if METRICS[result.metric] else Viridis256[::-1]
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    mapper = LinearColorMapper(palette=palette, low=low, high=high if high > low else low + 1.0)
    plot.rect(
        "x", "y", 1, 1, source=ColumnDataSource(data), line_color=None,
        fill_color={"field": "value", "transform": mapper},
    )  # fmt: skip
    tips = [(names[0], "@x"), (names[1], "@y"), (result.metric, "@value"), ("trial", "@number")]
    plot.add_tools(HoverTool(tooltips=tips))
    plot.xaxis.major_label_orientation = 1.0
    return plot


def _scatter(result: SweepResult, name: str) -> Any:
    frame = result.trials.select(name, result.metric).drop_nulls().head(_POINTS)
    plot = figure(
        width=_WIDTH, height=220, tools="save", x_axis_label=name, y_axis_label=result.metric
    )
    plot.scatter(frame[name].to_list(), frame[result.metric].to_list(), size=4, alpha=0.5)
    return plot


def _histogram(result: SweepResult) -> list[Any]:
    values = result.trials[result.metric].drop_nulls().to_numpy()
    values = values[np.isfinite(values)]
    if values.size < 2:
        return []
    counts, edges = np.histogram(values, bins=min(50, max(5, values.size // 5)))
    plot = figure(
        width=_WIDTH, height=260, tools="save", title=f"Distribution of {result.metric}",
        x_axis_label=result.metric, y_axis_label="trials",
    )  # fmt: skip
    plot.quad(top=counts, bottom=0, left=edges[:-1], right=edges[1:], alpha=0.7)
    return [plot]


def _table(result: SweepResult) -> str:
    names = ["number", "state", *result.parameter_names, "sharpe", "total_return", "max_drawdown"]
    names += [name for name in (result.metric, "fills", "path", "reason") if name not in names]
    frame = result.trials.select(names).sort(
        result.metric, "number", descending=[METRICS[result.metric], False], nulls_last=True
    )
    head = "".join(f"<th style='text-align:right;padding:0 8px'>{escape(x)}</th>" for x in names)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td style='text-align:right;padding:0 8px'>{_number(value)}</td>" for value in row
        )
        + "</tr>"
        for row in frame.head(_ROWS).iter_rows()
    )
    note = f"<p>The first {_ROWS} of {frame.height}.</p>" if frame.height > _ROWS else ""
    return f"<h2>Trials</h2><table><tr>{head}</tr>{body}</table>{note}"


def _parameters(values: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items())


def _number(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e6 else f"{value:,.0f}"
    return escape(str(value))


def _is_number(values: pl.Series) -> bool:
    return values.dtype.is_numeric()
