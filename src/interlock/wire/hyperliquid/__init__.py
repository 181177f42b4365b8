"""Hyperliquid's protocol as a client and as a server speak it: bytes <-> values of the model."""
