"""Indicators against TA-Lib, relative 1e-9 after the unstable period."""

import numpy as np
import pytest

from interlock.strategy import indicators as our

talib = pytest.importorskip("talib")
UNSTABLE = 1_000


def seeded() -> dict[str, np.ndarray]:
    generator = np.random.Generator(np.random.PCG64(11))
    rows = 6_000
    close = 3_000.0 * np.exp(np.cumsum(generator.normal(0.0, 0.004, rows)))
    opened = np.concatenate((close[:1], close[:-1]))
    high = np.maximum(opened, close) * (1.0 + np.abs(generator.normal(0.0, 0.002, rows)))
    low = np.minimum(opened, close) * (1.0 - np.abs(generator.normal(0.0, 0.002, rows)))
    return {"high": high, "low": low, "close": close, "volume": generator.gamma(2.0, 90.0, rows)}


def recorded(shared_data) -> dict[str, np.ndarray]:
    import polars

    path = shared_data / "klines" / "binance_usdm" / "BTCUSDT_1h_2019_202605.parquet"
    frame = polars.read_parquet(path)
    return {name: frame[name].to_numpy() for name in ("high", "low", "close", "volume")}


def pairs(h, l, c, v):  # noqa: E741
    """Name, our columns, TA-Lib's columns, and the size against which zero crossings are judged."""
    macd_ours, macd_theirs = our.macd(c), talib.MACD(c, 12, 26, 9)
    bands = our.bollinger(c, 20, 2.0)
    lines = our.adx(h, l, c, 14)
    stochastic = our.stochastic(h, l, c, 14, 3, 3)
    plus, minus = talib.PLUS_DI(h, l, c, 14), talib.MINUS_DI(h, l, c, 14)
    return {
        "sma": ([our.sma(c, 30)], [talib.SMA(c, 30)], 0.0),
        "ema": ([our.ema(c, 30)], [talib.EMA(c, 30)], 0.0),
        "wma": ([our.wma(c, 30)], [talib.WMA(c, 30)], 0.0),
        "rsi": ([our.rsi(c, 14)], [talib.RSI(c, 14)], 0.0),
        "atr": ([our.atr(h, l, c, 14)], [talib.ATR(h, l, c, 14)], 0.0),
        "true_range": ([our.true_range(h, l, c)], [talib.TRANGE(h, l, c)], 0.0),
        "macd": (macd_ours, macd_theirs, 1.0),
        "highest": ([our.highest(c, 40)], [talib.MAX(c, 40)], 0.0),
        "lowest": ([our.lowest(c, 40)], [talib.MIN(c, 40)], 0.0),
        "roc": ([our.roc(c, 10)], [talib.ROC(c, 10)], 1.0),
        "returns": ([our.returns(c, 3)], [talib.ROCP(c, 3)], 0.01),
        "momentum": ([our.momentum(c, 10)], [talib.MOM(c, 10)], 0.0),
        "bollinger": (bands, talib.BBANDS(c, 20, 2.0, 2.0), 0.0),
        "adx": (lines, (talib.ADX(h, l, c, 14), plus, minus), 0.0),
        "stochastic": (stochastic, talib.STOCH(h, l, c, 14, 3, 0, 3, 0), 1.0),
        "williams_r": ([our.williams_r(h, l, c, 14)], [talib.WILLR(h, l, c, 14)], 1.0),
        "cci": ([our.cci(h, l, c, 20)], [talib.CCI(h, l, c, 20)], 100.0),
        "linear_regression_slope": (
            [our.linear_regression_slope(c, 20)], [talib.LINEARREG_SLOPE(c, 20)], 10.0,
        ),
        "obv": ([our.obv(c, v)], [talib.OBV(c, v)], 1.0),
        "stdev": ([our.stdev(c, 20)], [talib.STDDEV(c, 20)], None),
    }  # fmt: skip


def check(bars: dict[str, np.ndarray]) -> None:
    for name, (ours, theirs, size) in pairs(*bars.values()).items():
        for mine, reference in zip(ours, theirs, strict=True):
            ready = ~np.isnan(reference)
            assert np.array_equal(~np.isnan(mine)[UNSTABLE:], ready[UNSTABLE:]), name
            # TA-Lib's variance cancels; the exact test is in test_indicators_precision.
            relative = 1e-9 if size is not None and name != "bollinger" else 1e-5
            np.testing.assert_allclose(
                mine[UNSTABLE:], reference[UNSTABLE:], rtol=relative,
                atol=relative * (size or 0.0), err_msg=name,
            )  # fmt: skip


def test_seeded_bars_agree() -> None:
    check(seeded())


@pytest.mark.shared
def test_recorded_bars_agree(shared_data) -> None:
    check(recorded(shared_data))


def test_first_ready_rows_are_those_of_the_reference() -> None:
    for name, (ours, theirs, _) in pairs(*seeded().values()).items():
        for mine, reference in zip(ours, theirs, strict=True):
            first = int(np.argmax(~np.isnan(reference)))
            if name == "adx":  # all three lines together here, each for itself there
                first = max(first, 27)
            assert int(np.argmax(~np.isnan(mine))) == first, name


def test_indicators_without_a_reference_follow_their_definition() -> None:
    bars = seeded()
    h, l, c, v = bars.values()  # noqa: E741
    changes = np.diff(np.log(c))
    row = 700
    window = slice(row - 19, row + 1)
    assert our.rma(c, 3)[3] == pytest.approx((c[:3].mean() * 2 + c[3]) / 3, rel=1e-12)
    assert our.log_returns(c)[row] == pytest.approx(changes[row - 1], rel=1e-12)
    assert our.zscore(c, 20)[row] == pytest.approx((c[row] - c[window].mean()) / c[window].std())
    assert our.vwap(c, v, 20)[row] == pytest.approx(np.average(c[window], weights=v[window]))
    channel = our.donchian(h, l, 20)
    assert (channel.upper[row], channel.lower[row]) == (h[window].max(), l[window].min())
    assert channel.middle[row] == (h[window].max() + l[window].min()) / 2
    realized = our.realized_volatility(c, 20, 365.0)[row]
    assert realized == pytest.approx(changes[row - 20 : row].std(ddof=1) * 365**0.5, rel=1e-9)
    below = (c[row - 20 : row] <= c[row]).mean() * 100
    assert our.percent_rank(c, 20)[row] == pytest.approx(below)
    square = changes[0] ** 2
    for change in changes[1:row]:
        square = 0.94 * square + 0.06 * change**2
    assert our.ewma_volatility(c, 0.94)[row] == pytest.approx(square**0.5, rel=1e-12)
    keltner, middle = our.keltner(h, l, c, 20, 10, 2.0), talib.EMA(c, 20)
    assert keltner.middle[row] == pytest.approx(middle[row], rel=1e-12)
    upper = middle[row] + 2.0 * talib.ATR(h, l, c, 10)[row]
    assert keltner.upper[row] == pytest.approx(upper, rel=1e-12)


def test_supertrend_follows_a_plain_loop() -> None:
    h, l, c, _ = seeded().values()  # noqa: E741
    spans = 3.0 * talib.ATR(h, l, c, 10)
    top = bottom = 0.0
    side = 1.0
    ours = our.supertrend(h, l, c, 10, 3.0)
    for row in range(10, c.size):
        above, below = (h[row] + l[row]) / 2 + spans[row], (h[row] + l[row]) / 2 - spans[row]
        if row > 10:
            above = above if above < top or c[row - 1] > top else top
            below = below if below > bottom or c[row - 1] < bottom else bottom
        top, bottom = above, below
        side = -1.0 if side > 0 and c[row] < bottom else 1.0 if side < 0 and c[row] > top else side
        assert ours.direction[row] == side
        assert ours.line[row] == pytest.approx(bottom if side > 0 else top, rel=1e-9)
    assert set(np.unique(ours.direction[10:])) == {-1.0, 1.0}
