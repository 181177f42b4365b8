"""The USD-M futures server of the local exchange: protocol state around the venue core."""
