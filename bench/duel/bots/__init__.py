"""The bots of the duel: how each is started, and what each says of its own orders and positions."""
