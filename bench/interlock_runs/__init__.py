"""Runners of Interlock on the same workloads; each prints the same JSON line as the peers."""
