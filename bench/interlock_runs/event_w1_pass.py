"""An event strategy that does nothing, over W1."""

from bench.interlock_runs.event_w1 import measure
from bench.interlock_runs.workbench import Idle

if __name__ == "__main__":
    measure("event_w1_pass", Idle)
