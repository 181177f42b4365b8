"""Many worlds: seeds on every core, what they found, and the page and the log that tell of it."""

from interlock.simulation.play import play
from interlock.simulation.sweep import Summary, sweep

__all__ = ["Summary", "play", "sweep"]
