"""Answer how likely it is that a measured Sharpe ratio is real, given its length and the search.

Sharpe ratios here are per period (daily for daily returns), never annualized; kurtosis is raw
(3 for a normal distribution). Formulas: Bailey and Lopez de Prado, "The Sharpe Ratio Efficient
Frontier" (2012) and "The Deflated Sharpe Ratio" (2014).
"""

import math
from statistics import NormalDist

__all__ = [
    "deflated_sharpe",
    "expected_maximum_sharpe",
    "minimum_track_record_length",
    "probabilistic_sharpe",
]

EULER_MASCHERONI = 0.5772156649015329
_NORMAL = NormalDist()


def probabilistic_sharpe(
    sharpe: float, *, length: int, skew: float, kurtosis: float, threshold: float = 0.0
) -> float:
    """Probability (0 to 1) that the true per-period Sharpe ratio is above `threshold`.

    `length` is the number of returns. Raises ValueError for fewer than two returns or for moments
    that no distribution has (the variance of the estimate would not be positive).
    """
    if length < 2:
        raise ValueError(f"{length} returns cannot judge a Sharpe ratio: give at least 2")
    spread = _estimate_variance(sharpe, skew=skew, kurtosis=kurtosis)
    return _NORMAL.cdf((sharpe - threshold) * math.sqrt(length - 1) / math.sqrt(spread))


def expected_maximum_sharpe(trials: int, variance: float) -> float:
    """Expected best per-period Sharpe ratio among `trials` worthless strategies.

    `variance` is the variance of the per-period Sharpe ratios over the trials. One trial is no
    search and expects 0. Raises ValueError for fewer than one trial or a negative variance.
    """
    if trials < 1:
        raise ValueError(f"{trials} trials: the number of trials must be at least 1")
    if not variance >= 0.0:
        raise ValueError(f"variance {variance} of the trial Sharpe ratios must not be negative")
    if trials == 1:
        return 0.0
    first = _NORMAL.inv_cdf(1.0 - 1.0 / trials)
    second = _NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * ((1.0 - EULER_MASCHERONI) * first + EULER_MASCHERONI * second)


def deflated_sharpe(
    sharpe: float, *, length: int, skew: float, kurtosis: float, trials: int, variance: float
) -> float:
    """Probability (0 to 1) that the Sharpe ratio beats the best of `trials` worthless ones."""
    return probabilistic_sharpe(
        sharpe,
        length=length,
        skew=skew,
        kurtosis=kurtosis,
        threshold=expected_maximum_sharpe(trials, variance),
    )


def minimum_track_record_length(
    sharpe: float, *, skew: float, kurtosis: float, threshold: float = 0.0, alpha: float = 0.05
) -> float:
    """Number of returns after which `sharpe` is above `threshold` at significance `alpha`.

    Raises ValueError when the Sharpe ratio is not above the threshold: no length is enough.
    """
    if not sharpe > threshold:
        raise ValueError(
            f"Sharpe ratio {sharpe} is not above {threshold}: no track record is long enough"
        )
    spread = _estimate_variance(sharpe, skew=skew, kurtosis=kurtosis)
    return 1.0 + spread * (_NORMAL.inv_cdf(1.0 - alpha) / (sharpe - threshold)) ** 2


def _estimate_variance(sharpe: float, *, skew: float, kurtosis: float) -> float:
    spread = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe * sharpe
    if not (math.isfinite(spread) and spread > 0.0):
        raise ValueError(
            f"Sharpe ratio {sharpe}, skew {skew} and kurtosis {kurtosis} do not fit together: "
            "pass the moments of the same returns, kurtosis raw (3 for a normal distribution)"
        )
    return spread
