"""Hyperliquid's server around the exchange core: signatures, nonces, budgets, subscriptions."""
