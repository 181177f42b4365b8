"""Research: data, backtests, sweeps and the statistics that judge them."""
