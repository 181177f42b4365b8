"""The duel: the same faults against bots as they are, each trading on `interlock venue`."""
