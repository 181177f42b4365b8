"""Every other venue, through ccxt, with our own transport beneath it and our own judgment above."""

from interlock.adapters.ccxt_venue.client import CcxtConfig
from interlock.adapters.ccxt_venue.tiers import Tier, tier
from interlock.adapters.ccxt_venue.venue import CcxtVenue

__all__ = ["CcxtConfig", "CcxtVenue", "Tier", "tier"]
