"""The contract of every indicator: readiness, refusals, snapshots, chaining, memory."""

import gc
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from interlock.strategy import indicators as our
from interlock.strategy.indicators import INDICATORS, ColumnMemo, memoized

BARS = {"adx", "atr", "cci", "keltner", "stochastic", "supertrend", "true_range", "williams_r"}
PAIRS = {"donchian", "obv", "vwap"}
ARGUMENTS = {
    "adx": (), "atr": (), "bollinger": (), "cci": (), "donchian": (), "ewma_volatility": (0.9,),
    "keltner": (), "macd": (), "obv": (), "realized_volatility": (10, 365.0), "rsi": (),
    "stochastic": (), "supertrend": (), "true_range": (), "williams_r": (),
}  # fmt: skip
LIVE = sorted(name for name, forms in INDICATORS.items() if forms.live is not None)
LENGTHS = ["length", "fast", "atr_length", "smoothing", "signal"]


def walk(rows: int = 300) -> np.ndarray:
    generator = np.random.Generator(np.random.PCG64(1))
    return np.round(100.0 * np.exp(np.cumsum(generator.normal(0.0, 0.01, rows))), 2)


def inputs(name: str, rows: int = 300) -> list[np.ndarray]:
    close = walk(rows)
    if name in BARS:
        return [close + 0.5, close - 0.25, close]
    return [close + 0.5, close] if name in PAIRS else [close]


def live_of(name: str):
    return INDICATORS[name].live(*ARGUMENTS.get(name, (10,)))


def rows_of(name: str) -> list[tuple[float, ...]]:
    return list(zip(*(column.tolist() for column in inputs(name)), strict=True))


@pytest.mark.parametrize("name", LIVE)
def test_snapshot_taken_midway_continues_to_the_bit(name: str) -> None:
    rows = rows_of(name)
    for cut in (0, 3, 150):
        first, second = live_of(name), live_of(name)
        for row in rows[:cut]:
            first.update(*row)
        snapshot = first.snapshot()
        expected = [first.update(*row) for row in rows[cut:]]
        second.restore(snapshot)
        assert second.count == cut
        assert np.array_equal(
            np.array([second.update(*row) for row in rows[cut:]]), np.array(expected),
            equal_nan=True,
        )  # fmt: skip
        assert second.ready
        assert np.array_equal(np.array(second.value), np.array(expected[-1]))


def test_snapshot_of_other_parameters_is_refused() -> None:
    with pytest.raises(ValueError, match="restore into an indicator with the same parameters"):
        our.Sma(5).restore(our.Sma(6).snapshot())
    with pytest.raises(ValueError, match="snapshot of Sma"):
        our.Ema(5).restore(our.Sma(5).snapshot())


@pytest.mark.parametrize("name", LIVE)
@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
def test_live_refuses_what_is_not_finite_and_keeps_its_state(name: str, wrong: float) -> None:
    live, clean = live_of(name), live_of(name)
    for row in rows_of(name)[:40]:
        live.update(*row)
        clean.update(*row)
    bad = (*rows_of(name)[40][:-1], wrong)
    with pytest.raises(ValueError, match="must be finite|above zero"):
        live.update(*bad)
    after = rows_of(name)[40]
    assert np.array_equal(live.update(*after), clean.update(*after), equal_nan=True)


@pytest.mark.parametrize("name", LIVE)
@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_column_names_the_first_row_that_is_not_finite(name: str, wrong: float) -> None:
    columns = inputs(name)
    columns[-1] = columns[-1].copy()
    columns[-1][77] = wrong
    columns[-1][90] = wrong
    with pytest.raises(ValueError, match="at row 77"):
        INDICATORS[name].column(*columns, *ARGUMENTS.get(name, (10,)))


def test_leading_nan_rows_are_the_warm_up_of_a_chained_feature() -> None:
    close = walk()
    chained = our.sma(our.rsi(close, 14), 5)
    assert np.isnan(chained[:18]).all() and np.isfinite(chained[18:]).all()
    assert np.array_equal(chained[14:], our.sma(our.rsi(close, 14)[14:], 5), equal_nan=True)
    assert np.isnan(our.sma(np.full(9, np.nan), 2)).all()


@pytest.mark.parametrize("name", LIVE)
def test_lengths_are_validated(name: str) -> None:
    cls = INDICATORS[name].live
    arguments = ARGUMENTS.get(name, (10,))
    if name in {"obv", "true_range", "ewma_volatility"}:
        return
    for wrong in (0, -3, 2.5, True):
        with pytest.raises(ValueError, match="give a whole number of at least"):
            cls(wrong, *arguments[1:])


def test_other_parameters_are_validated() -> None:
    with pytest.raises(ValueError, match="fast must be the shorter"):
        our.Macd(26, 12)
    with pytest.raises(ValueError, match="decay is 1.0"):
        our.EwmaVolatility(1.0)
    with pytest.raises(ValueError, match="width is 0"):
        our.Bollinger(20, 0)
    with pytest.raises(ValueError, match="degrees is 2"):
        our.Stdev(5, degrees=2)
    with pytest.raises(ValueError, match="at least 2"):
        our.Variance(1, degrees=1)
    with pytest.raises(ValueError, match="decimals is 16"):
        our.Sma(5, decimals=16)
    with pytest.raises(ValueError, match="periods_per_year"):
        our.RealizedVolatility(5, -1.0)


def test_columns_are_checked() -> None:
    with pytest.raises(TypeError, match="one-dimensional"):
        our.sma([1.0, 2.0], 2)
    with pytest.raises(TypeError, match="float32"):
        our.sma(np.ones(5, dtype=np.float32), 2)
    with pytest.raises(ValueError, match="columns must be equal"):
        our.vwap(np.ones(5), np.ones(4), 2)
    with pytest.raises(ValueError, match="price is 0.0 at row 3"):
        our.log_returns(np.array([1.0, 2.0, 3.0, 0.0]))
    with pytest.raises(ValueError, match="above zero"):
        our.LogReturns().update(-1.0)
    assert our.sma(np.empty(0), 5).size == 0
    assert np.array_equal(our.ema(walk()[::2], 5), our.ema(walk()[::2].copy(), 5), equal_nan=True)


def test_results_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        our.sma(walk(), 5)[0] = 1.0


def test_shift_shows_only_the_past() -> None:
    column = np.arange(4.0)
    assert np.array_equal(our.shift(column, 1), [np.nan, 0.0, 1.0, 2.0], equal_nan=True)
    assert np.array_equal(our.shift(column, 0), column)
    assert np.isnan(our.shift(column, 9)).all()
    with pytest.raises(ValueError, match="future rows"):
        our.shift(column, -1)


def test_crosses_count_a_tie_as_not_above() -> None:
    left = np.array([np.nan, 1.0, 2.0, 3.0, 2.0, 3.0, 1.0])
    assert our.crossed_above(left, 2.0).tolist() == [False] * 3 + [True, False, True, False]
    assert our.crossed_below(left, 2.0).tolist() == [False] * 4 + [True, False, True]
    other = np.full(7, 2.0)
    assert np.array_equal(our.crossed_above(left, other), our.crossed_above(left, 2.0))
    with pytest.raises(ValueError, match="columns must be equal"):
        our.crossed_above(left, other[1:])


@pytest.mark.parametrize(
    ("name", "middle"), [("rsi", 50.0), ("williams_r", -50.0), ("cci", 0.0), ("zscore", 0.0)]
)
def test_a_flat_window_is_neutral(name: str, middle: float) -> None:
    flat = [np.full(60, 0.3)] * len(inputs(name))
    assert INDICATORS[name].column(*flat, 14)[-1] == middle


def test_volume_free_windows_and_zero_pasts_have_no_value() -> None:
    price, volume = np.full(8, 5.0), np.array([1.5, 0.1, 0.0, 0.0, 0.0, 2.0, 1.0, 1.0])
    assert np.isnan(our.vwap(price, volume, 3)[4])
    assert our.vwap(price, volume, 3)[5] == 5.0
    assert np.isnan(our.roc(np.array([0.0, 1.0, 2.0]), 1)).tolist() == [True, True, False]


def test_memory_computes_each_distinct_column_once() -> None:
    close, memo = walk(), ColumnMemo(bytes_max=1 << 20)
    with memoized(memo):
        first = our.sma(close, 5)
        again = our.sma(close, 5)
        our.sma(close, 6)
        our.ema(close, 5)
        our.rma(close, 5)
        our.sma(close[1:], 5)
    assert np.shares_memory(first, again)
    assert (memo.hits, memo.misses, len(memo)) == (1, 5, 5)
    our.sma(close, 5)
    assert memo.hits == 1


def test_memory_is_bounded_and_evicts_the_least_recent() -> None:
    close = walk(1_000)
    memo = ColumnMemo(bytes_max=3 * 8_000)
    with memoized(memo):
        for length in (5, 6, 7, 5, 8, 5):
            our.sma(close, length)
        assert (memo.hits, len(memo), memo.bytes_held) == (2, 3, 24_000)
        our.donchian(close, close, 5)
        our.bollinger(walk(4_000), 5)
    assert memo.bytes_held <= memo.bytes_max
    with pytest.raises(ValueError, match="bytes_max"):
        ColumnMemo(0)


def test_memory_keeps_inputs_alive_so_that_addresses_stay_distinct() -> None:
    memo = ColumnMemo(bytes_max=1 << 24)
    with memoized(memo):
        for shift in range(50):
            column = walk() + shift
            assert our.highest(column, 3)[2] == column[:3].max()
            del column
            gc.collect()
    assert memo.hits == 0


def test_memory_is_shared_between_threads() -> None:
    close, memo = walk(5_000), ColumnMemo(bytes_max=10 * 40_000)
    expected = [our.sma(close, length).copy() for length in range(2, 22)]

    def sweep(_: int) -> bool:
        with memoized(memo):
            return all(
                np.array_equal(our.sma(close, length), expected[length - 2], equal_nan=True)
                for length in range(2, 22)
            )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(sweep, range(12)))
    assert memo.bytes_held <= memo.bytes_max


def test_import_leaves_the_compiler_alone() -> None:
    code = "import sys, interlock.strategy.indicators; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_registry_lists_every_public_form() -> None:
    assert list(INDICATORS) == sorted(INDICATORS)
    for name, (live, column) in INDICATORS.items():
        assert getattr(our, name) is column
        assert column.__doc__ and (live is None or live.__doc__)
        assert live is None or getattr(our, live.__name__) is live
