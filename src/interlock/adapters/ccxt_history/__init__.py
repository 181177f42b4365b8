"""Market history from any ccxt venue, in pages of integer units.

HistoryError
+-- VenueUnreachableError   the venue did not answer, or refused to, as often as we may ask
+-- DataRefusedError        the venue answered with data that cannot be trusted or held exactly
"""

from interlock.adapters.ccxt_history.errors import (
    DataRefusedError,
    HistoryError,
    VenueUnreachableError,
)
from interlock.adapters.ccxt_history.history import CcxtHistory, open_history
from interlock.adapters.ccxt_history.pages import HistoryPage, HistoryRequest
from interlock.adapters.ccxt_history.venue import VenueClient

__all__ = [
    "CcxtHistory",
    "DataRefusedError",
    "HistoryError",
    "HistoryPage",
    "HistoryRequest",
    "VenueClient",
    "VenueUnreachableError",
    "open_history",
]
