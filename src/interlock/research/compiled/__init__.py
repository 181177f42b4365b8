"""Compiled target strategies: the kernel's integers at the speed of a bare loop, for sweeps."""

from interlock.research.compiled.run import Outcome, digest, run
from interlock.research.compiled.source import NeedsKernel
from interlock.research.compiled.terms import Market, prepare

__all__ = ["Market", "NeedsKernel", "Outcome", "digest", "prepare", "run"]
