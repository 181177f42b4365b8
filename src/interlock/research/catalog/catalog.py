"""The catalog: a folder of instruments and their columns, each entry whole or absent."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import msgspec

from interlock.model.instrument import Instrument, InstrumentError
from interlock.research.catalog.entries import (
    Entry,
    Provenance,
    entry_names,
    in_units_of,
    read_entry,
    read_table,
    verify_file,
    write_entry,
)
from interlock.research.catalog.errors import CatalogError, EntryCorrupt, ImportRefused, NotFound
from interlock.research.catalog.files import FileLayer, exclusive, write_together
from interlock.research.catalog.merge import join
from interlock.research.catalog.selection import Selection, dataset_of
from interlock.research.catalog.table import Table, digest_of, table_of
from interlock.research.catalog.times import iso, step_name
from interlock.strategy.columns import (
    BarColumns,
    Columns,
    Dataset,
    DepthColumns,
    FundingColumns,
    MarkColumns,
    OrderColumns,
    QuoteColumns,
    TradeColumns,
)

_FORBIDDEN = set('/\\:*?"<>|') | {chr(code) for code in range(32)}


class Catalog:
    """Instruments and market data under one root folder; created on the first write."""

    def __init__(self, root: Path, *, files: FileLayer | None = None) -> None:
        self.root = Path(root)
        self._files = files or FileLayer()
        # (path, size, mtime) of files whose bytes matched their sidecar.
        self._verified: set[tuple[str, int, int]] = set()

    # ------------------------------------------------------------ instruments

    def instruments(self) -> tuple[Instrument, ...]:
        """All registered instruments, ordered by id."""
        found = sorted(path.parent.name for path in self.root.glob("*/instrument.json"))
        return tuple(self.instrument(name) for name in found)

    def instrument(self, instrument_id: str) -> Instrument:
        """One instrument; raises NotFound naming those that exist."""
        path = self._folder(instrument_id) / "instrument.json"
        if not path.exists():
            known = sorted(item.parent.name for item in self.root.glob("*/instrument.json"))
            raise NotFound(
                f"instrument {instrument_id} is not in {self.root}; there are: "
                f"{', '.join(known) or 'none'}; add one with `interlock data import`"
            )
        try:
            return msgspec.json.decode(path.read_bytes(), type=Instrument)
        except (msgspec.DecodeError, InstrumentError, OSError) as error:
            raise EntryCorrupt(
                f"{path} cannot be read: {error}; repair it or import with --instrument-file"
            ) from error

    def has_instrument(self, instrument_id: str) -> bool:
        """Whether the instrument is registered."""
        return (self._folder(instrument_id) / "instrument.json").exists()

    def register_instrument(self, instrument: Instrument) -> None:
        """Store an instrument; with data stored its exponents may grow, never shrink."""
        folder = self._folder(instrument.id)
        with exclusive(folder):
            self._register(folder, instrument)

    def _register(self, folder: Path, instrument: Instrument, rewriting: str = "") -> None:
        for name in entry_names(folder):
            if name == rewriting:
                continue
            entry = read_entry(folder, name)
            if (
                instrument.price_exponent < entry.price_exponent
                or instrument.quantity_exponent < entry.quantity_exponent
            ):
                raise ImportRefused(
                    f"{instrument.id} {name} is stored with price exponent {entry.price_exponent} "
                    f"and quantity exponent {entry.quantity_exponent}; smaller ones "
                    f"({instrument.price_exponent}, {instrument.quantity_exponent}) would round "
                    f"it: remove it first (`interlock data remove {instrument.id} {name}`)"
                )
        text = msgspec.json.format(msgspec.json.encode(instrument), indent=2) + b"\n"
        write_together(self._files, [(folder / "instrument.json", memoryview(text))])

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
        folder = self._folder(table.instrument.id)
        with exclusive(folder):
            note = provenance or Provenance(origin=origin)
            note = msgspec.structs.replace(note, origin=origin)
            if mode != "replace" and (folder / f"{table.name}.parquet").exists():
                table, note = self._joined(folder, table, note, merge=mode == "merge")
            table.columns()  # Proves order and shape before anything is written.
            known = self.has_instrument(table.instrument.id)
            if not known or self.instrument(table.instrument.id) != table.instrument:
                self._register(folder, table.instrument, rewriting=table.name)
            return write_entry(self._files, folder, table, note)

    def _joined(
        self, folder: Path, table: Table, note: Provenance, *, merge: bool
    ) -> tuple[Table, Provenance]:
        entry = read_entry(folder, table.name)
        self._trust(folder, entry)
        written = read_table(folder, entry, table.instrument)
        stored = in_units_of(table.instrument, written, entry)
        joined, collapsed = join([stored, table], merge=merge)
        origins = [entry.origin] if entry.origin == note.origin else [entry.origin, note.origin]
        return joined, msgspec.structs.replace(
            note,
            origin="; ".join(origins),
            synthetic=entry.synthetic or note.synthetic,
            rounded=entry.rounded + note.rounded,
            collapsed=entry.collapsed + note.collapsed + collapsed,
        )

    def remove(self, instrument_id: str, name: str | None = None) -> list[str]:
        """Delete one entry, or the instrument with all of them; returns what was removed."""
        folder = self._folder(instrument_id)
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
            (folder / f"{name}.json").unlink(missing_ok=True)
            (folder / f"{name}.parquet").unlink(missing_ok=True)
        return [name]

    # ------------------------------------------------------------ reading

    def entries(self, instrument_id: str | None = None) -> tuple[Entry, ...]:
        """Sidecars of one instrument or of all; raises EntryCorrupt for an unfinished entry."""
        if instrument_id is not None:
            self.instrument(instrument_id)
            folder = self._folder(instrument_id)
            return tuple(read_entry(folder, name) for name in entry_names(folder))
        folders = sorted(path.parent.name for path in self.root.glob("*/instrument.json"))
        return tuple(entry for name in folders for entry in self.entries(name))

    def names(self, instrument_id: str) -> list[str]:
        """Names of the entries of an instrument, unfinished ones included."""
        return entry_names(self._folder(instrument_id))

    def describe(self, instrument_id: str, name: str) -> Entry:
        """The sidecar of one entry."""
        self.instrument(instrument_id)
        return read_entry(self._folder(instrument_id), name)

    def table(self, instrument_id: str, name: str) -> Table:
        """All stored columns of one entry, its file compared with the sidecar first."""
        instrument = self.instrument(instrument_id)
        folder = self._folder(instrument_id)
        entry = read_entry(folder, name)
        self._trust(folder, entry)
        return in_units_of(instrument, read_table(folder, entry, instrument), entry)

    def verify(self, instrument_id: str, name: str) -> Entry:
        """Re-read an entry from disk and compare file and column digests; raises EntryCorrupt."""
        self._verified.clear()
        entry = self.describe(instrument_id, name)
        folder = self._folder(instrument_id)
        self._trust(folder, entry)
        found = digest_of(read_table(folder, entry, self.instrument(instrument_id)))
        if found != entry.digest:
            raise EntryCorrupt(
                f"{instrument_id} {name} has column digest {found[:12]}, its sidecar "
                f"{entry.digest[:12]}; remove it and import it again"
            )
        return entry

    def read(
        self, instrument_id: str, name: str, start: int | None = None, end: int | None = None
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
        self, instrument_id: str, step: int | str, start: int | None = None, end: int | None = None
    ) -> BarColumns:
        """Bars of a step (ns or a name such as 1m) whose open time lies in [start, end)."""
        label = step if isinstance(step, str) else step_name(step)
        return cast(BarColumns, self.read(instrument_id, f"bars-{label}", start, end))

    def quotes(
        self, instrument_id: str, start: int | None = None, end: int | None = None
    ) -> QuoteColumns:
        """Best bid and ask in [start, end)."""
        return cast(QuoteColumns, self.read(instrument_id, "quotes", start, end))

    def trades(
        self, instrument_id: str, start: int | None = None, end: int | None = None
    ) -> TradeColumns:
        """Trades in [start, end)."""
        return cast(TradeColumns, self.read(instrument_id, "trades", start, end))

    def depth(
        self, instrument_id: str, start: int | None = None, end: int | None = None
    ) -> DepthColumns:
        """Book level changes in [start, end); a cut leaves the book before it unknown."""
        return cast(DepthColumns, self.read(instrument_id, "depth", start, end))

    def orders(
        self, instrument_id: str, start: int | None = None, end: int | None = None
    ) -> OrderColumns:
        """Individual order events in [start, end)."""
        return cast(OrderColumns, self.read(instrument_id, "orders", start, end))

    def funding(
        self, instrument_id: str, start: int | None = None, end: int | None = None
    ) -> FundingColumns:
        """Funding rates in [start, end)."""
        return cast(FundingColumns, self.read(instrument_id, "funding", start, end))

    def marks(
        self, instrument_id: str, start: int | None = None, end: int | None = None
    ) -> MarkColumns:
        """Mark prices in [start, end)."""
        return cast(MarkColumns, self.read(instrument_id, "mark", start, end))

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

    # ------------------------------------------------------------ inner

    def _folder(self, instrument_id: str) -> Path:
        bad = sorted(_FORBIDDEN & set(instrument_id))
        if not instrument_id or bad or instrument_id.startswith(".") or len(instrument_id) > 120:
            raise CatalogError(
                f"instrument id {instrument_id!r} cannot name a folder; use letters, digits, "
                "'-', '_' and '.', such as BTCUSDT-PERP.BINANCE"
            )
        return self.root / instrument_id

    def _trust(self, folder: Path, entry: Entry) -> None:
        path = folder / f"{entry.name}.parquet"
        state = path.stat()
        key = (str(path), state.st_size, state.st_mtime_ns)
        if key not in self._verified:
            verify_file(folder, entry)
            self._verified.add(key)
