"""The store: whole or absent, exact in and out, named by the digest of its content."""

from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
import polars as pl
import pytest

from interlock.model.instrument import FixedTick, Instrument, InstrumentKind
from interlock.research.catalog import (
    Catalog,
    CatalogError,
    EntryCorrupt,
    FileLayer,
    ImportRefused,
    NotFound,
    instant,
)
from interlock.research.catalog.entries import Entry, Trusted
from interlock.research.catalog.files import exclusive
from interlock.strategy.columns import (
    BarColumns,
    Columns,
    DepthColumns,
    FundingColumns,
    MarkColumns,
    OrderColumns,
    QuoteColumns,
    TradeColumns,
)

MINUTE = 60 * 10**9
START = instant("2024-01-01")
ID = "BTCUSDT-PERP.BINANCE"
BTC = Instrument(
    id=ID,
    kind=InstrumentKind.PERPETUAL,
    base="BTC",
    quote="USDT",
    price_exponent=1,
    quantity_exponent=3,
    price_rule=FixedTick(1),
    lot=1,
    taker_rate=500,
)


def bars(first: int = 0, rows: int = 10, price: int = 400_000) -> BarColumns:
    flat = np.full(rows, price, dtype=np.int64)
    ts = START + MINUTE * np.arange(first, first + rows)
    return BarColumns(
        instrument=BTC, ts=ts, step_ns=MINUTE, open=flat, high=flat, low=flat, close=flat,
        volume=np.arange(first, first + rows),
    )  # fmt: skip


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "catalog")


def of_kind(kind: type[Columns]) -> Columns:
    values: dict[str, Any] = {name: np.arange(1, 6) for name in kind.names()}
    return kind(instrument=BTC, **values)


@pytest.mark.parametrize(
    "kind", [QuoteColumns, TradeColumns, DepthColumns, OrderColumns, FundingColumns, MarkColumns]
)
def test_every_kind_comes_back_as_it_went_in(catalog: Catalog, kind: type[Columns]) -> None:
    columns = of_kind(kind)
    catalog.put(columns, origin="test")
    loaded = Catalog(catalog.root).read(ID, kind.kind)
    assert type(loaded) is kind
    assert loaded.instrument == BTC
    for name, array in columns.arrays():
        assert np.array_equal(getattr(loaded, name), array)


def test_bars_come_back_between_two_times(catalog: Catalog) -> None:
    entry = catalog.put(bars(), origin="test")
    loaded = catalog.bars(ID, "1m", start=START + 2 * MINUTE, end=START + 4 * MINUTE)
    assert loaded.volume.tolist() == [2, 3]
    assert loaded.step_ns == MINUTE
    assert (entry.rows, entry.first, entry.last) == (10, START, START + 9 * MINUTE)
    assert catalog.entries() == (entry,)
    assert catalog.instruments() == (BTC,)


def test_a_range_without_data_names_what_there_is(catalog: Catalog) -> None:
    catalog.put(bars(), origin="test")
    with pytest.raises(NotFound, match="no rows from 2025-01-01T00:00:00Z.*holds 2024-01-01"):
        catalog.bars(ID, "1m", start=instant("2025-01-01"), end=instant("2025-02-01"))
    with pytest.raises(NotFound, match="there are: BTCUSDT-PERP.BINANCE"):
        catalog.bars("ETHUSDT.BINANCE", "1m")
    with pytest.raises(NotFound, match="has no bars-5m"):
        catalog.bars(ID, "5m")


def test_the_dataset_digest_names_just_what_was_selected(catalog: Catalog) -> None:
    catalog.put(bars(), origin="test")
    catalog.put(of_kind(FundingColumns), origin="test")
    digest = catalog.dataset([f"{ID}:1m"]).digest
    whole = catalog.dataset([ID])
    assert [part.kind for part in whole.parts()] == ["bars", "funding"]
    assert whole.digest != digest
    assert catalog.dataset([f"{ID}:1m"], end=START + 5 * MINUTE).digest != digest
    # Another origin and other data beside it change nothing; a fee does.
    again = Catalog(catalog.root.with_name("other"))
    again.put(bars(), origin="elsewhere")
    assert again.dataset([f"{ID}:bars-1m"]).digest == digest
    again.register_instrument(msgspec.structs.replace(BTC, taker_rate=400))
    assert again.dataset([f"{ID}:1m"]).digest != digest


def test_rows_are_appended_and_overlap_is_refused(catalog: Catalog) -> None:
    catalog.put(bars(0, 10), origin="january")
    entry = catalog.put(bars(10, 10), origin="february")
    assert (entry.rows, entry.origin) == (20, "january; february")
    with pytest.raises(ImportRefused, match="--merge"):
        catalog.put(bars(15, 10), origin="overlap")
    merged = catalog.put(bars(15, 10), origin="overlap", mode="merge")
    assert (merged.rows, merged.collapsed) == (25, 5)
    assert catalog.bars(ID, "1m").volume.tolist() == list(range(25))


def test_contradictions_are_refused_and_leave_the_stored_rows(catalog: Catalog) -> None:
    before = catalog.put(bars(), origin="first")
    with pytest.raises(ImportRefused, match="disagree on open"):
        catalog.put(bars(5, 3, price=1), origin="second", mode="merge")
    assert catalog.verify(ID, "bars-1m") == before
    assert catalog.put(bars(5, 3, price=1), origin="second", mode="replace").rows == 3


class FullDisk(FileLayer):
    """Fails when the nth file is written, or renamed."""

    def __init__(self, *, create: int = -1, rename: int = -1) -> None:
        self.create_left, self.rename_left = create, rename

    def create(self, path: Path) -> BinaryIO:
        self.create_left -= 1
        if self.create_left == -1:
            path.write_bytes(b"PAR1 half")
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().create(path)

    def rename(self, source: Path, target: Path) -> None:
        self.rename_left -= 1
        if self.rename_left == -1:
            raise OSError(errno.EIO, "Input/output error")
        super().rename(source, target)


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("operation", ["create", "rename"])
def test_a_failing_disk_leaves_nothing_that_is_trusted(
    tmp_path: Path, operation: str, at: int
) -> None:
    failing = FullDisk(create=at) if operation == "create" else FullDisk(rename=at)
    with pytest.raises(CatalogError, match="run the command again"):
        Catalog(tmp_path, files=failing).put(bars(), origin="test")
    after = Catalog(tmp_path)
    with pytest.raises((NotFound, EntryCorrupt)):
        after.bars(ID, "1m")
    assert not list(tmp_path.rglob("*.draft"))
    # The same command works once the disk does; an unfinished file is named with its remedy.
    after.put(bars(), origin="test", mode="replace")
    assert len(after.bars(ID, "1m")) == 10


@pytest.mark.parametrize("at", [0, 1])
def test_a_full_disk_keeps_the_rows_stored_before(tmp_path: Path, at: int) -> None:
    before = Catalog(tmp_path).put(bars(), origin="test")
    with pytest.raises(CatalogError, match="No space left"):
        Catalog(tmp_path, files=FullDisk(create=at)).put(bars(10), origin="more")
    assert Catalog(tmp_path).verify(ID, "bars-1m") == before


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("mode", ["append", "replace"])
def test_a_rename_that_fails_keeps_the_rows_stored_before(
    tmp_path: Path, mode: str, at: int
) -> None:
    before = Catalog(tmp_path).put(bars(), origin="test")
    with pytest.raises(CatalogError, match="what was stored before is as it was"):
        Catalog(tmp_path, files=FullDisk(rename=at)).put(bars(10), origin="more", mode=mode)
    assert Catalog(tmp_path).verify(ID, "bars-1m") == before
    assert stored_files(tmp_path) == [before.file]


class LateDisk(FileLayer):
    """Renames, and then fails to wait for the disk."""

    def flush_folder(self, folder: Path) -> None:
        if (folder / "bars-1m.json").exists():
            raise OSError(errno.EIO, "Input/output error")
        super().flush_folder(folder)


def test_rows_that_a_sidecar_names_stay_whatever_the_disk_says(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="Input/output error"):
        Catalog(tmp_path, files=LateDisk()).put(bars(), origin="test")
    assert len(Catalog(tmp_path).bars(ID, "1m")) == 10


def stored_files(root: Path) -> list[str]:
    return sorted(path.name for path in (root / ID).glob("*.parquet"))


def test_what_a_crash_left_is_removed_by_the_next_import(catalog: Catalog) -> None:
    entry = catalog.put(bars(), origin="test")
    folder = catalog.root / ID
    for name in ("bars-1m.0123456789abcdef.parquet", ".bars-1m.json.draft",
                 ".bars-1m.0123456789abcdef.parquet.draft"):  # fmt: skip
        (folder / name).write_bytes(b"PAR1 half")
    assert catalog.verify(ID, "bars-1m") == entry
    assert catalog.names(ID) == ["bars-1m"]
    entry = catalog.put(bars(10), origin="more")
    assert sorted(path.name for path in folder.iterdir()) == [
        ".lock", entry.file, "bars-1m.json", "instrument.json",
    ]  # fmt: skip


def test_an_entry_whose_file_has_no_version_is_read_and_replaced(catalog: Catalog) -> None:
    # As catalogs were written before files had versions.
    entry = catalog.put(bars(), origin="test")
    folder = catalog.root / ID
    (folder / entry.file).rename(folder / "bars-1m.parquet")
    sidecar = msgspec.json.decode((folder / "bars-1m.json").read_bytes())
    del sidecar["file"]
    (folder / "bars-1m.json").write_bytes(msgspec.json.encode(sidecar))
    old = Catalog(catalog.root)
    assert old.verify(ID, "bars-1m").digest == entry.digest
    assert old.put(bars(10), origin="more").rows == 20
    assert "bars-1m.parquet" not in stored_files(catalog.root)


def test_a_reader_sees_the_old_rows_or_the_new_ones(catalog: Catalog) -> None:
    catalog.put(bars(price=1), origin="test")

    def replace_often() -> None:
        writer = Catalog(catalog.root)
        for round_number in range(60):
            writer.put(bars(price=1 + round_number % 2), origin="test", mode="replace")

    seen = set()
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(replace_often)
        while not writing.done():
            seen.add(tuple(set(Catalog(catalog.root).bars(ID, "1m").open.tolist())))
        writing.result()
    assert seen and seen <= {(1,), (2,)}


def test_rows_that_were_replaced_twice_meanwhile_are_read(catalog: Catalog) -> None:
    # The second time by the first ones: a sidecar that says the same again, and was put anew.
    first = catalog.put(bars(price=1), origin="test")
    reader = Catalog(catalog.root)
    writer = Catalog(catalog.root)

    class Meanwhile(Trusted):
        looks = 0

        def verify(self, folder: Path, entry: Entry) -> None:
            self.looks += 1
            if self.looks > 1:
                return super().verify(folder, entry)
            writer.put(bars(price=2), origin="test", mode="replace")
            try:
                super().verify(folder, entry)
            finally:
                assert writer.put(bars(price=1), origin="test", mode="replace") == first

    reader._trusted = Meanwhile()
    assert set(reader.bars(ID, "1m").open.tolist()) == {1}
    assert reader._trusted.looks == 2


def test_a_changed_byte_is_noticed_on_load(catalog: Catalog) -> None:
    catalog.put(bars(), origin="test")
    path = catalog.root / ID / catalog.describe(ID, "bars-1m").file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(EntryCorrupt, match="sha256"):
        Catalog(catalog.root).bars(ID, "1m")


def test_a_parquet_without_sidecar_is_refused(catalog: Catalog) -> None:
    catalog.put(bars(), origin="test")
    (catalog.root / ID / "bars-1m.json").unlink()
    with pytest.raises(EntryCorrupt, match="has no sidecar"):
        catalog.bars(ID, "1m")
    assert catalog.names(ID) == ["bars-1m"]
    assert catalog.remove(ID, "bars-1m") == ["bars-1m"]
    assert catalog.names(ID) == []


def test_a_finer_unit_keeps_the_meaning_of_stored_rows(catalog: Catalog) -> None:
    catalog.put(bars(), origin="test")
    finer = msgspec.structs.replace(BTC, price_exponent=3, price_rule=FixedTick(100))
    catalog.register_instrument(finer)
    assert catalog.bars(ID, "1m").open[0] == 40_000_000
    assert catalog.bars(ID, "1m").prices("open")[0] == 40_000.0
    catalog.verify(ID, "bars-1m")
    catalog.put(replace(catalog.bars(ID, "1m"), ts=bars(10).ts), origin="more")
    with pytest.raises(ImportRefused, match="smaller ones"):
        catalog.register_instrument(BTC)


def test_integers_on_disk_are_plain_parquet(catalog: Catalog) -> None:
    catalog.put(bars(), origin="test")
    frame = pl.read_parquet(catalog.root / ID / catalog.describe(ID, "bars-1m").file)
    assert set(frame.schema.values()) == {pl.Int64()}


@pytest.mark.parametrize("name", ["", "../x.Y", "a/b.C", ".hidden"])
def test_an_id_cannot_leave_the_catalog(catalog: Catalog, name: str) -> None:
    with pytest.raises(CatalogError, match="cannot name a folder"):
        catalog.has_instrument(name)


def test_a_file_in_place_of_the_catalog_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "catalog").write_text("")
    with pytest.raises(CatalogError, match="cannot be used as a catalog folder"):
        Catalog(tmp_path / "catalog").put(bars(), origin="test")


def test_an_empty_import_is_refused(catalog: Catalog) -> None:
    with pytest.raises(ImportRefused, match="no rows"):
        catalog.put(bars(0, 0), origin="test")
    assert not catalog.root.exists()


def test_a_second_writer_waits_its_turn(catalog: Catalog) -> None:
    with (
        exclusive(catalog.root / ID),
        pytest.raises(CatalogError, match="another import writes here"),
    ):
        catalog.put(bars(), origin="test")
    catalog.put(bars(), origin="test")
