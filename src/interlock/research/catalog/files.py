"""Files that are either whole or absent: written aside, flushed, then renamed into place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from interlock.adapters.system import LockHeldError, exclusive_lock
from interlock.research.catalog.errors import CatalogError

_BLOCK = 1 << 20


class FileLayer:
    """The operations on disk that the catalog relies on; tests replace it to inject faults."""

    def create(self, path: Path) -> BinaryIO:
        """Open a new file for writing."""
        return path.open("wb")

    def flush(self, handle: BinaryIO) -> None:
        """Force the bytes of an open file to the disk."""
        handle.flush()
        os.fsync(handle.fileno())

    def rename(self, source: Path, target: Path) -> None:
        """Put a finished file in place, replacing what was there."""
        source.replace(target)

    def remove(self, path: Path) -> None:
        """Delete a file that nothing refers to."""
        path.unlink(missing_ok=True)

    def flush_folder(self, folder: Path) -> None:
        """Force renames in a folder to the disk."""
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_whole(layer: FileLayer, path: Path, content: memoryview) -> None:
    """Write a file aside and rename it into place: whole or, after any failure, as it was before.

    Returns when the name is on the disk, too; raises CatalogError.
    """
    draft = draft_of(path)
    try:
        _write(layer, draft, content)
        layer.rename(draft, path)
        layer.flush_folder(path.parent)
    except OSError as error:
        raise CatalogError(
            f"{path.parent}: cannot write: {error.strerror or error}; what was stored before is "
            "as it was: free space or fix the permissions, then run the command again"
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def draft_of(path: Path) -> Path:
    """Where a file is written before it is put in place."""
    return path.with_name(f".{path.name}.draft")


def placed(path: Path) -> tuple[int, int, int] | None:
    """Which of the files that were renamed to this path stands there now; None when none does.

    Two files of the same bytes are told apart: one that was put twice was replaced between.
    """
    try:
        state = path.stat()
    except FileNotFoundError:
        return None
    return state.st_ino, state.st_mtime_ns, state.st_ctime_ns


def _write(layer: FileLayer, path: Path, content: memoryview) -> None:
    with layer.create(path) as handle:
        for start in range(0, len(content), _BLOCK):
            handle.write(content[start : start + _BLOCK])
        layer.flush(handle)


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the folder against a second writer; raises CatalogError when another one writes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(folder / ".lock"):
            yield
    except LockHeldError:
        raise CatalogError(
            f"{folder}: another import writes here; wait until it ends and run again"
        ) from None
    except OSError as error:
        raise CatalogError(
            f"{folder}: cannot be used as a catalog folder: {error.strerror or error}; "
            "choose another one with INTERLOCK_HOME or fix the permissions"
        ) from error
