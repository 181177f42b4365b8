"""Durable storage: the ledger with its leases and projections, and snapshots of states."""

from interlock.adapters.storage.database import Database
from interlock.adapters.storage.leases import SqlLeases
from interlock.adapters.storage.ledger import SqlLedger, open_ledger, prepare, read_rows
from interlock.adapters.storage.rebuild import rebuild
from interlock.adapters.storage.snapshots import FolderSnapshots
from interlock.adapters.storage.verification import Verified, verify

__all__ = [
    "Database",
    "FolderSnapshots",
    "SqlLeases",
    "SqlLedger",
    "Verified",
    "open_ledger",
    "prepare",
    "read_rows",
    "rebuild",
    "verify",
]
