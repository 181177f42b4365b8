"""The outside world: venues over ccxt, the machine itself."""
