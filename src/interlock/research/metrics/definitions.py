"""Define every metric: name, unit, formula in words and the reference it was compared with."""

from dataclasses import dataclass
from typing import Literal

Unit = Literal["fraction", "number", "money", "days", "hours", "count", "per_day", "per_year"]

OWN = "own definition"


@dataclass(frozen=True, slots=True)
class Definition:
    """What one metric means; `reference` names the library function it agrees with."""

    name: str
    title: str
    group: str
    unit: Unit
    formula: str
    reference: str = OWN


_EMPYRICAL = "empyrical-reloaded "

_ROWS: dict[str, list[tuple[str, str, Unit, str, str]]] = {
    "Return": [
        ("total_return", "Total return", "fraction",
         "product of (1 + daily return) - 1", _EMPYRICAL + "cum_returns_final"),
        ("cagr", "Annual return (CAGR)", "fraction",
         "(1 + total return) ^ (periods per year / days) - 1; from 30 days", _EMPYRICAL + "cagr"),
        ("annual_volatility", "Volatility", "fraction",
         "sample standard deviation of daily returns x sqrt(periods per year)",
         _EMPYRICAL + "annual_volatility"),
        ("best_day", "Best day", "fraction", "largest daily return", "numpy max"),
        ("worst_day", "Worst day", "fraction", "smallest daily return", "numpy min"),
        ("best_month", "Best month", "fraction",
         "largest compounded return of a calendar month; first and last may be partial",
         _EMPYRICAL + "aggregate_returns (monthly)"),
        ("worst_month", "Worst month", "fraction",
         "smallest compounded return of a calendar month; first and last may be partial",
         _EMPYRICAL + "aggregate_returns (monthly)"),
        ("positive_days", "Days with a gain", "fraction",
         "share of daily returns above zero", OWN),
        ("skew", "Skewness", "number",
         "third standardized moment of daily returns, population form", "scipy.stats.skew"),
        ("kurtosis", "Excess kurtosis", "number",
         "fourth standardized moment of daily returns, population form, minus 3",
         "scipy.stats.kurtosis"),
    ],
    "Risk": [
        ("sharpe", "Sharpe ratio", "number",
         "mean daily excess return / sample standard deviation x sqrt(periods per year)",
         _EMPYRICAL + "sharpe_ratio"),
        ("sortino", "Sortino ratio", "number",
         "mean daily excess return / root mean square of the returns below target "
         "(all days counted) x sqrt(periods per year)", _EMPYRICAL + "sortino_ratio"),
        ("calmar", "Calmar ratio", "number",
         "compound annual return / size of the largest drawdown on event equity",
         "own definition: empyrical-reloaded calmar_ratio uses daily drawdown"),
        ("max_drawdown", "Largest drawdown", "fraction",
         "lowest equity / highest earlier equity - 1 over every equity row",
         "own definition: empyrical-reloaded max_drawdown of the event returns"),
        ("max_drawdown_days", "Length of the largest drawdown", "days",
         "from its peak to the first return to the peak, or to the end", OWN),
        ("longest_drawdown_days", "Longest time under water", "days",
         "longest time between two equity highs, or from the last high to the end", OWN),
        ("max_drawdown_daily", "Largest drawdown, daily", "fraction",
         "the same on the last equity of each day", _EMPYRICAL + "max_drawdown"),
        ("var_95", "Value at risk 95 %", "fraction",
         "5 % quantile of daily returns, linear between points",
         _EMPYRICAL + "value_at_risk(0.05)"),
        ("var_99", "Value at risk 99 %", "fraction",
         "1 % quantile of daily returns, linear between points",
         _EMPYRICAL + "value_at_risk(0.01)"),
        ("cvar_95", "Expected shortfall 95 %", "fraction",
         "mean of the worst 5 % of daily returns",
         _EMPYRICAL + "conditional_value_at_risk(0.05)"),
        ("cvar_99", "Expected shortfall 99 %", "fraction",
         "mean of the worst 1 % of daily returns",
         _EMPYRICAL + "conditional_value_at_risk(0.01)"),
        ("tail_ratio", "Tail ratio", "number",
         "size of the 95 % quantile / size of the 5 % quantile of daily returns",
         _EMPYRICAL + "tail_ratio"),
    ],
    "Trades": [
        ("trades", "Closed round trips", "count", "round trips that ended flat", OWN),
        ("hit_rate", "Hit rate", "fraction", "closed round trips with profit / all closed", OWN),
        ("profit_factor", "Profit factor", "number",
         "sum of winning profits / size of the sum of losses, after fees", OWN),
        ("expectancy", "Expectancy", "money", "mean profit of a closed round trip after fees", OWN),
        ("average_win", "Average win", "money", "mean profit of the winning round trips", OWN),
        ("average_loss", "Average loss", "money", "mean profit of the losing round trips", OWN),
        ("largest_win", "Largest win", "money", "best closed round trip after fees", OWN),
        ("largest_loss", "Largest loss", "money", "worst closed round trip after fees", OWN),
        ("trades_per_day", "Round trips per day", "per_day", "closed round trips / days", OWN),
        ("average_holding_hours", "Average holding time", "hours",
         "mean time from opening to closing of a closed round trip", OWN),
        ("open_profit", "Profit of open positions", "money",
         "unrealized profit in the last equity row, marked at the last price", OWN),
        ("open_profit_share", "Open share of the profit", "fraction",
         "profit of open positions / (last equity - initial equity)", OWN),
    ],
    "Activity": [
        ("turnover", "Turnover", "number",
         "notional of all fills / time-weighted mean equity", OWN),
        ("turnover_per_year", "Turnover per year", "per_year",
         "turnover x periods per year / days", OWN),
        ("time_in_market", "Time in the market", "fraction",
         "share of time with a position, from each equity row to the next", OWN),
        ("average_exposure", "Average net exposure", "fraction",
         "time-weighted mean of signed notional / equity", OWN),
        ("average_gross_exposure", "Average gross exposure", "fraction",
         "time-weighted mean of gross notional / equity", OWN),
        ("max_gross_exposure", "Largest gross exposure", "fraction",
         "largest gross notional / equity over all equity rows", OWN),
    ],
    "Costs": [
        ("fees", "Fees", "money", "fees paid, before rebates", OWN),
        ("rebates", "Rebates", "money", "rebates received", OWN),
        ("slippage", "Slippage", "money",
         "fill price against the reference price, x quantity; already in the profit", OWN),
        ("funding", "Funding", "money", "funding paid less received; negative is income", OWN),
        ("borrow", "Borrow cost", "money", "interest on borrowed shares or coins", OWN),
        ("costs_total", "All costs", "money",
         "fees - rebates + slippage + funding + borrow", OWN),
        ("costs_per_notional_bps", "Costs per traded notional, bps", "number",
         "all costs / notional of all fills, in basis points", OWN),
    ],
    "Benchmark": [
        ("benchmark_return", "Benchmark return", "fraction",
         "buy and hold of the first instrument over the same days",
         _EMPYRICAL + "cum_returns_final"),
        ("alpha", "Alpha", "fraction",
         "(1 + mean of return - beta x benchmark return) ^ periods per year - 1",
         _EMPYRICAL + "alpha"),
        ("beta", "Beta", "number",
         "covariance with the benchmark / variance of the benchmark", _EMPYRICAL + "beta"),
        ("correlation", "Correlation", "number",
         "Pearson correlation of daily returns with the benchmark", "numpy corrcoef"),
        ("information_ratio", "Information ratio", "number",
         "mean of return - benchmark return / its sample standard deviation x "
         "sqrt(periods per year)",
         _EMPYRICAL + "excess_sharpe x sqrt(periods per year)"),
    ],
    "Significance": [
        ("days", "Daily returns", "count", "number of daily returns the ratios stand on", OWN),
        ("probabilistic_sharpe", "Probabilistic Sharpe", "fraction",
         "probability that the true Sharpe ratio is above 0, by length, skew and kurtosis",
         "Bailey and Lopez de Prado 2012, published example"),
        ("minimum_track_record_days", "Minimum track record", "days",
         "days of such returns until the Sharpe ratio is above 0 at 5 % significance",
         "Bailey and Lopez de Prado 2012, published example"),
        ("trials", "Trials searched", "count", "trials of the sweep this run was chosen from", OWN),
        ("expected_maximum_sharpe", "Best Sharpe of worthless trials", "number",
         "expected best annualized Sharpe ratio among as many trials without any merit",
         "Bailey and Lopez de Prado 2014, published example"),
        ("deflated_sharpe", "Deflated Sharpe", "fraction",
         "probability that the Sharpe ratio beats the best of as many worthless trials",
         "Bailey and Lopez de Prado 2014, published example"),
    ],
}  # fmt: skip

DEFINITIONS: dict[str, Definition] = {
    name: Definition(name, title, group, unit, formula, reference)
    for group, rows in _ROWS.items()
    for name, title, unit, formula, reference in rows
}
