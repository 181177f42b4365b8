"""The one kernel: ``step(state, event) -> effects``, pure and deterministic."""
