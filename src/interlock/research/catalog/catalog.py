"""The catalog: a folder of instruments and their columns, each entry whole or absent."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import msgspec

from interlock.model.instrument import Instrument
from interlock.research.catalog.entries import (
    Entry,
    Provenance,
    Trusted,
    entry_names,
    in_units_of,
    read_entry,
    read_table,
    sidecar_of,
)
from interlock.research.catalog.errors import CatalogError, EntryCorrupt, ImportRefused, NotFound
from interlock.research.catalog.files import FileLayer, exclusive, placed
from interlock.research.catalog.merge import join
from interlock.research.catalog.registry import (
    check_units,
    folder_of,
    instrument_file,
    is_registered,
    read_instrument,
    registered,
    write_instrument,
)
from interlock.research.catalog.selection import Selection, dataset_of
from interlock.research.catalog.storing import store, sweep_up
from interlock.research.catalog.table import Table, digest_of, table_of
from interlock.research.catalog.times import iso, step_name
from interlock.strategy.columns import (
    BarColumns,
    Columns,
    Dataset,
    DepthColumns,
    FundingColumns,
    OrderColumns,
    QuoteColumns,
    TradeColumns,
)


class Catalog:
    """Instruments and market data under one root folder; created on the first write."""

    def __init__(self, root: Path, *, files: FileLayer | None = None) -> None:
        self.root = Path(root)
        self._files = files or FileLayer()
        self._trusted = Trusted()

    # ------------------------------------------------------------ instruments

    def instruments(self) -> tuple[Instrument, ...]:
        """All registered instruments, ordered by id."""
        return tuple(self.instrument(name) for name in registered(self.root))

    def instrument(self, instrument_id: str) -> Instrument:
        """One instrument; raises NotFound naming those that exist."""
        return read_instrument(self.root, instrument_id)

    def has_instrument(self, instrument_id: str) -> bool:
        """Whether the instrument is registered."""
        return is_registered(self.root, instrument_id)

    def register_instrument(self, instrument: Instrument) -> None:
        """Store an instrument; with data stored its exponents may grow, never shrink."""
        folder = folder_of(self.root, instrument.id)
        with exclusive(folder):
            check_units(folder, instrument)
            write_instrument(self._files, folder, instrument=instrument)

    # ------------------------------------------------------------ writing

    def put(
        self,
        columns: Columns | Table,
        *,
        origin: str,
        mode: str = "append",
        provenance: Provenance | None = None,
    ) -> Entry:
        """Store columns and register their instrument; returns the new sidecar.

        ``mode``: ``append`` refuses overlap with stored rows, ``merge`` collapses identical rows
        and refuses contradictions, ``replace`` discards what was stored. Nothing is changed when
        ImportRefused or another CatalogError is raised.
        """
        if mode not in ("append", "merge", "replace"):
            raise CatalogError(f"mode {mode!r} is not one of append, merge, replace")
        table = table_of(columns)
        if not len(table):
            raise ImportRefused(
                f"{table.instrument.id} {table.name} from {origin} has no rows; nothing to store"
            )
        folder = folder_of(self.root, table.instrument.id)
        with exclusive(folder):
            note = provenance or Provenance(origin=origin)
            note = msgspec.structs.replace(note, origin=origin)
            if mode != "replace" and table.name in entry_names(folder):
                table, note = _joined(
                    folder, table, note=note, trusted=self._trusted, merge=mode == "merge"
                )
            table.columns()  # Proves order and shape before anything is written.
            check_units(folder, table.instrument, rewriting=table.name)
            return store(self._files, folder, table=table, provenance=note)

    def remove(self, instrument_id: str, name: str | None = None) -> list[str]:
        """Delete one entry, or the instrument with all of them; returns what was removed."""
        folder = folder_of(self.root, instrument_id)
        if not folder.is_dir():
            self.instrument(instrument_id)
        names = entry_names(folder)
        if name is None:
            shutil.rmtree(folder)
            return [*names, "instrument"]
        if name not in names:
            read_entry(folder, name)
        with exclusive(folder):
            # The sidecar goes first: what remains after a crash is not trusted.
            self._files.remove(sidecar_of(folder, name))
            sweep_up(self._files, folder, name=name, keep="")
        return [name]

    # ------------------------------------------------------------ reading

    def entries(self, instrument_id: str | None = None) -> tuple[Entry, ...]:
        """Sidecars of one instrument or of all; raises EntryCorrupt for an unfinished entry."""
        if instrument_id is not None:
            self.instrument(instrument_id)
            folder = folder_of(self.root, instrument_id)
            return tuple(read_entry(folder, name) for name in entry_names(folder))
        return tuple(entry for name in registered(self.root) for entry in self.entries(name))

    def names(self, instrument_id: str) -> list[str]:
        """Names of the entries of an instrument, unfinished ones included."""
        return entry_names(folder_of(self.root, instrument_id))

    def describe(self, instrument_id: str, name: str) -> Entry:
        """The sidecar of one entry."""
        self.instrument(instrument_id)
        return read_entry(folder_of(self.root, instrument_id), name)

    def table(self, instrument_id: str, name: str) -> Table:
        """All stored columns of one entry, its file compared with the sidecar first."""
        return _whole(self.root, instrument_id, name, trusted=self._trusted)[2]

    def verify(self, instrument_id: str, name: str) -> Entry:
        """Re-read an entry from disk and compare file and column digests; raises EntryCorrupt."""
        self._trusted.forget()
        entry, written, _ = _whole(self.root, instrument_id, name, trusted=self._trusted)
        found = digest_of(written)
        if found != entry.digest:
            raise EntryCorrupt(
                f"{instrument_id} {name} has column digest {found[:12]}, its sidecar "
                f"{entry.digest[:12]}; remove it and import it again"
            )
        return entry

    def read(
        self, instrument_id: str, name: str, *, start: int | None = None, end: int | None = None
    ) -> Columns:
        """Rows with start <= ts < end (ns UTC) of an entry; raises NotFound when there are none."""
        columns: Columns = self.table(instrument_id, name).columns()
        chosen = cast(Columns, columns.between(start, end))
        if not len(chosen):
            asked = " to ".join("the end" if at is None else iso(at) for at in (start, end))
            raise NotFound(
                f"{instrument_id} {name} has no rows from {asked}; it holds "
                f"{iso(int(columns.ts[0]))} to {iso(int(columns.ts[-1]))}: choose dates inside"
            )
        return chosen

    def bars(
        self,
        instrument_id: str,
        step: int | str,
        *,
        start: int | None = None,
        end: int | None = None,
    ) -> BarColumns:
        """Bars of a step (ns or a name such as 1m) whose open time lies in [start, end)."""
        label = step if isinstance(step, str) else step_name(step)
        return cast(BarColumns, self.read(instrument_id, f"bars-{label}", start=start, end=end))

    def quotes(
        self, instrument_id: str, start: int | None = None, *, end: int | None = None
    ) -> QuoteColumns:
        """Best bid and ask in [start, end)."""
        return cast(QuoteColumns, self.read(instrument_id, "quotes", start=start, end=end))

    def trades(
        self, instrument_id: str, start: int | None = None, *, end: int | None = None
    ) -> TradeColumns:
        """Trades in [start, end)."""
        return cast(TradeColumns, self.read(instrument_id, "trades", start=start, end=end))

    def depth(
        self, instrument_id: str, start: int | None = None, *, end: int | None = None
    ) -> DepthColumns:
        """Book level changes in [start, end); a cut leaves the book before it unknown."""
        return cast(DepthColumns, self.read(instrument_id, "depth", start=start, end=end))

    def orders(
        self, instrument_id: str, start: int | None = None, *, end: int | None = None
    ) -> OrderColumns:
        """Individual order events in [start, end)."""
        return cast(OrderColumns, self.read(instrument_id, "orders", start=start, end=end))

    def funding(
        self, instrument_id: str, start: int | None = None, *, end: int | None = None
    ) -> FundingColumns:
        """Funding rates in [start, end)."""
        return cast(FundingColumns, self.read(instrument_id, "funding", start=start, end=end))

    def dataset(
        self,
        selections: Sequence[Selection | str],
        *,
        start: int | None = None,
        end: int | None = None,
        name: str = "",
    ) -> Dataset:
        """Everything selected in [start, end) with the digest of exactly that content."""
        return dataset_of(self, selections, start=start, end=end, name=name)


def _whole(
    root: Path, instrument_id: str, name: str, *, trusted: Trusted
) -> tuple[Entry, Table, Table]:
    """An entry, its rows as written and in the instrument's units, all of one moment."""
    folder = folder_of(root, instrument_id)
    files = sidecar_of(folder, name), instrument_file(root, instrument_id)
    while True:
        before = [placed(path) for path in files]
        instrument, entry = read_instrument(root, instrument_id), read_entry(folder, name)
        try:
            trusted.verify(folder, entry)
            written = read_table(folder, entry, instrument=instrument)
            return entry, written, in_units_of(instrument, written, entry=entry)
        except EntryCorrupt:
            # The file of an entry that was replaced just now is gone, and a new one is there. What
            # its sidecar says may be the same again: only a sidecar that nobody put is a proof.
            if [placed(path) for path in files] == before:
                raise


def _joined(
    folder: Path, table: Table, *, note: Provenance, trusted: Trusted, merge: bool
) -> tuple[Table, Provenance]:
    entry = read_entry(folder, table.name)
    trusted.verify(folder, entry)
    written = read_table(folder, entry, instrument=table.instrument)
    stored = in_units_of(table.instrument, written, entry=entry)
    joined, collapsed = join([stored, table], merge=merge)
    return joined, entry.provenance_with(note, collapsed)
