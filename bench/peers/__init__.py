"""Runners of peer engines; each runs in the peer's own environment and prints one JSON line."""
