"""Thin long series for drawing while every visible extreme stays."""

import numpy as np
import polars as pl
from numpy.typing import NDArray


def extremes(values: NDArray[np.float64], buckets: int) -> NDArray[np.int64]:
    """Indices of the first, last, lowest and highest value of each of `buckets` equal buckets.

    A line through these points covers the same pixels as the full line (the M4 rule). Series of
    at most four values per bucket are kept whole. Indices are increasing; NaN is not allowed.
    """
    count = values.size
    if count <= 4 * buckets:
        return np.arange(count, dtype=np.int64)
    edges = np.linspace(0, count, buckets + 1).astype(np.int64)
    kept = [
        (start, start + int(np.argmin(part)), start + int(np.argmax(part)), end - 1)
        for start, end, part in (
            (int(start), int(end), values[start:end])
            for start, end in zip(edges[:-1], edges[1:], strict=True)
        )
    ]
    return np.unique(np.array(kept, dtype=np.int64))


def price_buckets(bars: pl.DataFrame, buckets: int) -> pl.DataFrame:
    """Bars merged into at most `buckets` rows of (ts, low, high, close); extremes are kept."""
    low = "low" if "low" in bars.columns else "close"
    high = "high" if "high" in bars.columns else "close"
    per_bucket = max(1, -(-bars.height // buckets))
    return (
        bars.select("ts", low=low, high=high, close="close")
        .with_row_index("row")
        .group_by(pl.col("row") // per_bucket, maintain_order=True)
        .agg(pl.col("ts").last(), pl.col("low").min(), pl.col("high").max(), pl.col("close").last())
        .drop("row")
    )


def spread(frame: pl.DataFrame, limit: int) -> pl.DataFrame:
    """At most `limit` rows, evenly spaced, first and last included."""
    if frame.height <= limit:
        return frame
    return frame[np.linspace(0, frame.height - 1, limit).round().astype(np.int64)]
