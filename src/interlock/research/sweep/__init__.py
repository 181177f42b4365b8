"""Sweeps over parameters: grids and samplers, every trial recorded, the best run in the kernel."""

from interlock.research.sweep.folder import SweepFolder, trials_frame
from interlock.research.sweep.result import SweepResult, Verified
from interlock.research.sweep.search import SweepOptions, load_sweep, plan_sweep, sweep
from interlock.research.sweep.space import SAMPLERS, SweepError, parse_grid
from interlock.research.sweep.trial import METRICS, Trial

__all__ = [
    "METRICS",
    "SAMPLERS",
    "SweepError",
    "SweepFolder",
    "SweepOptions",
    "SweepResult",
    "Trial",
    "Verified",
    "load_sweep",
    "parse_grid",
    "plan_sweep",
    "sweep",
    "trials_frame",
]
