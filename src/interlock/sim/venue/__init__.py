"""The exchange of several accounts behind the local venue's protocols: integers, seeded, no clock."""
