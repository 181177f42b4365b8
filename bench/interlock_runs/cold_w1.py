"""S1 as a target strategy over W1, the first call on an empty cache."""

from bench.interlock_runs.target_w1 import measure

if __name__ == "__main__":
    measure("cold_w1", warm=False)
