"""Each stylized fact against a value worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from interlock.research import stylized_facts as facts

HOUR = 3_600 * 10**9


def test_returns_and_volatility() -> None:
    returns = facts.log_returns(np.exp(np.array([0.0, 0.01, 0.0, 0.01, 0.0])))
    assert returns == pytest.approx([0.01, -0.01, 0.01, -0.01])
    assert facts.annual_volatility(returns, 24 * HOUR) == pytest.approx(0.01 * 365**0.5)
    assert facts.excess_kurtosis(returns) == pytest.approx(-2.0)
    assert facts.absolute_quantiles(returns, [0.5]) == pytest.approx([1.0])


def test_autocorrelation() -> None:
    values = np.array([1.0, -1.0, 1.0, -1.0])
    assert facts.autocorrelation(values, [1, 2]) == pytest.approx([-0.75, 0.5])


def test_calendar_groups() -> None:
    ts = np.array([0, 25 * HOUR, 4 * 24 * HOUR])
    assert facts.hour_of_day(ts).tolist() == [0, 1, 0]
    assert facts.day_of_week(ts).tolist() == [3, 4, 0]
    groups = np.array([0, 0, 1])
    rms = facts.grouped_rms(np.array([1.0, -1.0, 2.0]), groups, count=3)
    assert rms[:2] == pytest.approx([1 / 2**0.5, 2**0.5])
    assert np.isnan(rms[2])
    assert facts.grouped_mean(np.array([1.0, 3.0, 5.0]), groups, count=2) == pytest.approx(
        [2 / 3, 5 / 3]
    )


def test_a_seasonal_series_is_flattened() -> None:
    ts = np.arange(24 * 7) * HOUR
    signs = np.where(np.arange(len(ts)) % 2 == 0, 1.0, -1.0)
    returns = signs * (1.0 + facts.hour_of_day(ts))
    assert np.ptp(np.abs(facts.deseasonalized(returns, ts))) == pytest.approx(0.0, abs=1e-9)


def test_bars_volume_and_falls() -> None:
    high, low = np.exp(np.array([0.02, 0.04])), np.ones(2)
    assert facts.range_ratio(high, low, returns=np.array([0.01, -0.01])) == pytest.approx(3.0)
    assert facts.log_volume(np.array([0.0, 1.0])).tolist() == [0.0]
    close = np.array([100.0, 99.0, 98.0, 98.0, 97.9])
    assert facts.fall_count(close, bars=2, fall=0.01) == 1
    assert facts.correlation(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])) == 1.0


def test_time_weights_and_arrivals() -> None:
    ts = np.array([0, 1, 4])
    assert facts.time_share(ts, np.array([True, False, True])) == 0.25
    assert facts.time_mean(ts, np.array([4.0, 0.0, 9.0])) == 1.0
    assert facts.variation_coefficient(np.array([1.0, 3.0])) == 0.5


def test_short_or_constant_samples_are_refused() -> None:
    with pytest.raises(facts.SampleError, match="at least 2"):
        facts.log_returns(np.array([1.0]))
    with pytest.raises(facts.SampleError, match="constant"):
        facts.autocorrelation(np.ones(9), [1])
