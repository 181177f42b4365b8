"""The refusals of the catalog: each message names the value, the rule and the remedy."""

from __future__ import annotations

# CatalogError
#   ImportRefused       a file that cannot be stored as it is
#   NotFound            an instrument, entry or date range that the catalog does not hold
#   EntryCorrupt        a stored file that differs from what was written


class CatalogError(Exception):
    """A catalog operation that was refused; nothing was changed."""


class ImportRefused(CatalogError):
    """Input that the catalog will not store as it is."""


class NotFound(CatalogError):
    """Something asked for that the catalog does not hold."""


class EntryCorrupt(CatalogError):
    """A stored entry that is unfinished or differs from its recorded digest."""
