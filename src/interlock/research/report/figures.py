"""Draw the charts of a result as Bokeh models with a bounded number of points."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from bokeh.layouts import column
from bokeh.models import (
    BasicTicker,
    ColumnDataSource,
    HoverTool,
    LayoutDOM,
    NoOverlap,
    NumeralTickFormatter,
    Range,
    Range1d,
)
from bokeh.models.annotations import Label, Span
from bokeh.plotting import figure
from numpy.typing import NDArray

from interlock.research import metrics
from interlock.research.report.sampling import extremes, price_buckets, spread
from interlock.research.result import BacktestResult

BLUE, GRAY, GREEN, RED, VIOLET = "#3b7ddd", "#8b95a5", "#1f9d61", "#dd4b4b", "#8a63d2"
BUCKETS = 1_000
PRICE_BUCKETS = 1_500
MARKERS = 1_200
PRICE_CHARTS = 3
# Transparent from the start: a white ground painted once leaves its edge behind in the dark.
_CLEAR: dict[str, Any] = {
    "background_fill_color": None,
    "border_fill_color": None,
    "outline_line_color": None,
}
_Mode = Literal["mouse", "vline"]
_TOOLS = "xpan,xwheel_zoom,xbox_zoom,reset"


@dataclass(frozen=True, slots=True)
class Charts:
    """The layouts by the name of their place on the page, and what was left out of them."""

    layouts: dict[str, LayoutDOM]
    notes: list[str]


def draw(result: BacktestResult, *, returns: NDArray[np.float64] | None, days: pl.Series) -> Charts:
    """All charts that the data allow; `returns` are the daily returns of `days`."""
    notes: list[str] = []
    layouts: dict[str, LayoutDOM] = {}
    if result.equity.height > 1:
        layouts["performance"] = _performance(result, notes)
    if returns is not None and returns.size >= metrics.series.MIN_DAYS_RATIO:
        layouts["distribution"] = _distribution(result, returns)
        rolling = _rolling(result, returns, days, notes)
        if rolling is not None:
            layouts["rolling"] = rolling
    return Charts(layouts, notes)


def _performance(result: BacktestResult, notes: list[str]) -> LayoutDOM:
    ts = result.equity["ts"].to_numpy()
    window = Range1d(start=float(ts[0]) / 1e6, end=float(ts[-1]) / 1e6, bounds="auto")
    parts = [_equity(result, window), _drawdown(result, window), _exposure(result, window)]
    names = result.bars["instrument"].unique(maintain_order=True).to_list()
    for name in names[:PRICE_CHARTS]:
        parts.append(_price(result, name, window, notes))
    if len(names) > PRICE_CHARTS:
        notes.append(f"Prices are drawn for the first {PRICE_CHARTS} of {len(names)} instruments.")
    if result.equity.height > 4 * BUCKETS:
        notes.append(
            f"Curves show at most {4 * BUCKETS:,} of {result.equity.height:,} points; the first, "
            "last, lowest and highest of every stretch are kept, so no peak or trough is lost."
        )
    return column(*parts, sizing_mode="stretch_width", spacing=6)


def _time_figure(title: str, height: int, window: Range | None = None) -> figure:
    given: dict[str, Any] = {} if window is None else {"x_range": window}
    plot = figure(
        title=title,
        height=height,
        sizing_mode="stretch_width",
        x_axis_type="datetime",
        tools=_TOOLS,
        active_drag="xbox_zoom",
        window_axis="x",
        min_border_left=64,
        min_border_right=12,
        **_CLEAR,
        **given,
    )
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.xaxis.major_label_policy = NoOverlap(min_distance=12)
    plot.yaxis.ticker = BasicTicker(desired_num_ticks=6 if height > 200 else 3)
    return plot


def _times(ts: NDArray[np.int64]) -> NDArray[np.float64]:
    return ts / 1e6


def _hover(plot: figure, renderer: Any, tips: list[tuple[str, str]], mode: _Mode = "vline") -> None:
    plot.add_tools(
        HoverTool(
            renderers=[renderer],
            tooltips=tips,
            formatters={"@ts": "datetime"},
            mode=mode,
            point_policy="follow_mouse",
            visible=False,
        )
    )


def _equity(result: BacktestResult, window: Range1d) -> figure:
    frame = result.equity.select("ts", "equity")
    frame = frame.filter(pl.col("equity").is_finite())
    thin = frame[extremes(frame["equity"].to_numpy(), BUCKETS)]
    thin = thin.join_asof(_benchmark(result), on="ts", strategy="backward")
    source = ColumnDataSource(
        {
            "ts": _times(thin["ts"].to_numpy()),
            "equity": thin["equity"].to_numpy(),
            "benchmark": thin["benchmark"].fill_null(float("nan")).to_numpy(),
        }
    )
    plot = _time_figure(f"Equity, {result.currency}", 340, window)
    held = plot.line(
        "ts", "benchmark", source=source, color=GRAY, line_width=1.4, legend_label="Buy and hold"
    )
    held.level = "underlay"
    line = plot.line(
        "ts", "equity", source=source, color=BLUE, line_width=2, legend_label="Strategy"
    )
    plot.yaxis.formatter = NumeralTickFormatter(format="0,0")
    _legend_above(plot)
    tips = [
        ("", "@ts{%F %H:%M}"),
        ("Strategy", "@equity{0,0}"),
        ("Buy and hold", "@benchmark{0,0}"),
    ]
    _hover(plot, line, tips)
    return plot


def _benchmark(result: BacktestResult) -> pl.DataFrame:
    bars = result.bars
    if bars.height:
        bars = bars.filter(pl.col("instrument") == bars["instrument"][0])
    return bars.select(
        "ts",
        benchmark=pl.col("close") / pl.col("close").first() * result.initial_equity,
    ).sort("ts")


def _drawdown(result: BacktestResult, window: Range1d) -> figure:
    frame = result.equity.select("ts", "equity").filter(pl.col("equity").is_finite())
    values = frame["equity"].to_numpy()
    depth = values / np.maximum(np.maximum.accumulate(values), result.initial_equity) - 1.0
    keep = extremes(depth, BUCKETS)
    source = ColumnDataSource(
        {
            "ts": _times(frame["ts"].to_numpy()[keep]),
            "depth": depth[keep],
            "zero": 0.0 * depth[keep],
        }
    )
    plot = _time_figure("Drawdown", 170, window)
    plot.varea("ts", "zero", "depth", source=source, color=RED, alpha=0.25)
    line = plot.line("ts", "depth", source=source, color=RED, line_width=1.2)
    plot.yaxis.formatter = NumeralTickFormatter(format="0.[0]%")
    _hover(plot, line, [("", "@ts{%F %H:%M}"), ("Drawdown", "@depth{0.00%}")])
    return plot


def _exposure(result: BacktestResult, window: Range1d) -> figure:
    frame = result.equity.select("ts", "exposure").filter(pl.col("exposure").is_finite())
    values = frame["exposure"].to_numpy()
    keep = extremes(values, BUCKETS)
    source = ColumnDataSource(
        {
            "ts": _times(frame["ts"].to_numpy()[keep]),
            "exposure": values[keep],
            "long": np.maximum(values[keep], 0.0),
            "short": np.minimum(values[keep], 0.0),
            "zero": 0.0 * values[keep],
        }
    )
    plot = _time_figure("Exposure: green long, red short", 150, window)
    plot.varea_step("ts", "zero", "long", source=source, color=GREEN, alpha=0.45, step_mode="after")
    plot.varea_step("ts", "short", "zero", source=source, color=RED, alpha=0.45, step_mode="after")
    line = plot.step("ts", "exposure", source=source, alpha=0.0, mode="after")
    plot.yaxis.formatter = NumeralTickFormatter(format="0%")
    _hover(plot, line, [("", "@ts{%F %H:%M}"), ("Exposure", "@exposure{0.0%}")])
    return plot


def _price(result: BacktestResult, name: str, window: Range1d, notes: list[str]) -> figure:
    bars = result.bars.filter(pl.col("instrument") == name)
    thin = price_buckets(bars, PRICE_BUCKETS)
    source = ColumnDataSource(
        {key: thin[key].to_numpy() for key in ("low", "high", "close")}
        | {"ts": _times(thin["ts"].to_numpy())}
    )
    plot = _time_figure(name, 340, window)
    plot.varea("ts", "low", "high", source=source, color=GRAY, alpha=0.25)
    line = plot.line("ts", "close", source=source, color=GRAY, line_width=1.1)
    _hover(
        plot, line,
        [("", "@ts{%F %H:%M}"), ("Close", "@close{0,0.[00000]}"),
         ("Low", "@low{0,0.[00000]}"), ("High", "@high{0,0.[00000]}")],
    )  # fmt: skip
    fills = result.fills.filter(pl.col("instrument") == name)
    shown = spread(fills, MARKERS)
    if shown.height < fills.height:
        notes.append(
            f"{name}: {shown.height:,} of {fills.height:,} fills are drawn, evenly spaced; all are "
            "in fills.parquet."
        )
    _markers(plot, shown)
    plot.yaxis.formatter = NumeralTickFormatter(format="0,0.[00000]")
    return plot


def _markers(plot: figure, fills: pl.DataFrame) -> None:
    for side, marker, color, label in (
        (1, "triangle", GREEN, "Buy"),
        (-1, "inverted_triangle", RED, "Sell"),
    ):
        part = fills.filter(pl.col("side") == side)
        if part.is_empty():
            continue
        source = ColumnDataSource(
            {"ts": _times(part["ts"].to_numpy())}
            | {key: part[key].to_numpy() for key in ("price", "quantity", "position_after")}
        )
        points = plot.scatter(
            "ts", "price", source=source, marker=marker, size=8 if fills.height < 400 else 5,
            color=color, alpha=0.85, line_color=None, legend_label=label,
        )  # fmt: skip
        _hover(
            plot, points,
            [(label, "@quantity{0,0.[000000]} at @price{0,0.[00000]}"), ("", "@ts{%F %H:%M:%S}"),
             ("Position after", "@position_after{0,0.[000000]}")],
            mode="mouse",
        )  # fmt: skip
    if plot.legend:
        _legend_above(plot)


def _legend_above(plot: figure) -> None:
    """Keep the legend out of the frame, where it would cover the first months."""
    legend = plot.legend[0]
    legend.orientation, legend.click_policy = "horizontal", "hide"
    plot.add_layout(legend, "above")


def _distribution(result: BacktestResult, returns: NDArray[np.float64]) -> LayoutDOM:
    # Far outliers would squeeze the rest into two bars: they are counted in the edge bins.
    low, high = np.percentile(returns, [0.2, 99.8])
    bins = int(min(60, max(12, np.sqrt(returns.size) * 1.6)))
    counts, edges = np.histogram(np.clip(returns, low, high), bins=bins)
    middle = (edges[:-1] + edges[1:]) / 2.0
    source = ColumnDataSource(
        {
            "left": edges[:-1],
            "right": edges[1:],
            "count": counts,
            "color": [GREEN if value >= 0.0 else RED for value in middle],
        }
    )
    plot = figure(
        title="Distribution of daily returns", height=280, sizing_mode="stretch_width",
        tools="", toolbar_location=None, min_border_left=48,
        **_CLEAR,
    )  # fmt: skip
    bars = plot.quad(
        left="left", right="right", top="count", bottom=0, source=source, fill_color="color",
        fill_alpha=0.55, line_color="color", line_width=0.5,
    )  # fmt: skip
    tips = [("Return", "@left{0.00%} to @right{0.00%}"), ("Days", "@count")]
    plot.add_tools(HoverTool(renderers=[bars], tooltips=tips, visible=False))
    top = float(counts.max()) * 1.16
    plot.y_range = Range1d(start=0.0, end=top)
    for name, label, drop in (("var_95", "VaR 95", 2), ("var_99", "VaR 99", 18)):
        value = result.metrics.get(name)
        if value is not None:
            plot.add_layout(
                Span(location=value, dimension="height", line_color=RED, line_dash="dashed")
            )
            plot.add_layout(
                Label(x=value, y=top, text=label, text_font_size="11px", text_color=RED,
                      text_align="left", text_baseline="top", x_offset=4, y_offset=-drop)
            )  # fmt: skip
    plot.xaxis.formatter = NumeralTickFormatter(format="0.[0]%")
    return plot


def _rolling(
    result: BacktestResult, returns: NDArray[np.float64], days: pl.Series, notes: list[str]
) -> LayoutDOM | None:
    window = 90 if result.periods_per_year == 365 else 63
    if returns.size < window + metrics.series.MIN_DAYS_RATIO:
        notes.append(f"Rolling ratios need {window + 10} daily returns; there are {returns.size}.")
        return None
    ratio, volatility = metrics.rolling(
        returns, window=window, periods_per_year=result.periods_per_year
    )
    ts = days.cast(pl.Datetime("ms")).cast(pl.Int64).to_numpy().astype(np.float64)
    keep = slice(window - 1, None, max(1, returns.size // 4_000))
    source = ColumnDataSource(
        {"ts": ts[keep], "sharpe": ratio[keep], "volatility": volatility[keep]}
    )
    first = _time_figure(f"Rolling Sharpe ratio, {window} days", 150)
    line = first.line("ts", "sharpe", source=source, color=VIOLET, line_width=1.6)
    first.add_layout(Span(location=0.0, dimension="width", line_color=GRAY, line_dash="dashed"))
    _hover(first, line, [("", "@ts{%F}"), ("Sharpe ratio", "@sharpe{0.00}")])
    second = _time_figure(f"Rolling volatility, {window} days", 130, first.x_range)
    line = second.line("ts", "volatility", source=source, color=BLUE, line_width=1.6)
    second.yaxis.formatter = NumeralTickFormatter(format="0%")
    _hover(second, line, [("", "@ts{%F}"), ("Volatility", "@volatility{0.0%}")])
    for plot in (first, second):
        plot.min_border_left = 48
    return column(first, second, sizing_mode="stretch_width", spacing=0)
