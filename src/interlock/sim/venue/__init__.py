"""The exchange core of several accounts: integers, seeded, and without a clock of its own."""
