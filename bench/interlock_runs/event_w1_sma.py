"""S1 as an event strategy over W1."""

from bench.interlock_runs.event_w1 import measure
from bench.interlock_runs.workbench import CrossEvents

if __name__ == "__main__":
    measure("event_w1_sma", CrossEvents)
