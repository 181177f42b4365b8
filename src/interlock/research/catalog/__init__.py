"""The data catalog: import, check and read market data with the digest that names it."""

from interlock.research.catalog.catalog import Catalog
from interlock.research.catalog.checks import (
    check_bars,
    check_depth,
    check_funding,
    check_orders,
    check_quotes,
    check_table,
    check_trades,
)
from interlock.research.catalog.entries import Entry, Provenance
from interlock.research.catalog.errors import CatalogError, EntryCorrupt, ImportRefused, NotFound
from interlock.research.catalog.files import FileLayer
from interlock.research.catalog.findings import Finding, FindingRow
from interlock.research.catalog.importer import ImportReport, ImportRequest, import_files
from interlock.research.catalog.instruments import InstrumentOptions
from interlock.research.catalog.selection import Selection, content_digest
from interlock.research.catalog.table import Table
from interlock.research.catalog.times import instant, iso, step_name, step_ns

__all__ = [
    "Catalog",
    "CatalogError",
    "Entry",
    "EntryCorrupt",
    "FileLayer",
    "Finding",
    "FindingRow",
    "ImportRefused",
    "ImportReport",
    "ImportRequest",
    "InstrumentOptions",
    "NotFound",
    "Provenance",
    "Selection",
    "Table",
    "check_bars",
    "check_depth",
    "check_funding",
    "check_orders",
    "check_quotes",
    "check_table",
    "check_trades",
    "content_digest",
    "import_files",
    "instant",
    "iso",
    "step_name",
    "step_ns",
]
