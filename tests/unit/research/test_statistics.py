"""Probabilistic and deflated Sharpe ratio against the published example."""

import pytest

from interlock.research.statistics import (
    deflated_sharpe,
    expected_maximum_sharpe,
    minimum_track_record_length,
    probabilistic_sharpe,
)

SHARPE = 2.5 / 250**0.5


@pytest.mark.parametrize(
    ("trials", "threshold", "probability"), [(100, 0.1132, 0.9004), (46, 0.1004, 0.9505)]
)
def test_deflated_sharpe_reproduces_the_paper(
    trials: int, threshold: float, probability: float
) -> None:
    assert expected_maximum_sharpe(trials, 0.5 / 250) == pytest.approx(threshold, abs=5e-5)
    got = deflated_sharpe(
        SHARPE, length=1250, skew=-3.0, kurtosis=10.0, trials=trials, variance=0.5 / 250
    )
    assert got == pytest.approx(probability, abs=5e-5)


def test_expected_maximum_of_a_hundred_unit_normals() -> None:
    assert expected_maximum_sharpe(100, 1.0) == pytest.approx(2.5306, abs=5e-5)
    assert expected_maximum_sharpe(1, 1.0) == 0.0


def test_an_annual_sharpe_of_one_needs_990_days() -> None:
    length = minimum_track_record_length(1.0 / 365**0.5, skew=0.0, kurtosis=3.0)
    assert length == pytest.approx(990, abs=1)


def test_minimum_length_is_where_the_probability_reaches_its_level() -> None:
    length = minimum_track_record_length(0.1, skew=-0.5, kurtosis=5.0)
    got = probabilistic_sharpe(0.1, length=round(length), skew=-0.5, kurtosis=5.0)
    assert got == pytest.approx(0.95, abs=1e-3)


def test_input_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        probabilistic_sharpe(0.1, length=1, skew=0.0, kurtosis=3.0)
    with pytest.raises(ValueError, match="at least 1"):
        expected_maximum_sharpe(0, 1.0)
    with pytest.raises(ValueError, match="negative"):
        expected_maximum_sharpe(3, -1.0)
    with pytest.raises(ValueError, match="do not fit"):
        probabilistic_sharpe(5.0, length=100, skew=3.0, kurtosis=1.0)
    with pytest.raises(ValueError, match="no track record"):
        minimum_track_record_length(-0.1, skew=0.0, kurtosis=3.0)
