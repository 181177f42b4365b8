"""What can go wrong between a venue's history and our units."""

from __future__ import annotations


class HistoryError(Exception):
    """A download that cannot go on; the message names the value, the rule and the remedy."""


class VenueUnreachableError(HistoryError):
    """The venue did not answer, or refused to, as often as we may ask."""


class DataRefusedError(HistoryError):
    """The venue answered with data that cannot be trusted or held exactly."""
