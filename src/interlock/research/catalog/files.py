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

    def flush_folder(self, folder: Path) -> None:
        """Force renames in a folder to the disk."""
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_together(layer: FileLayer, parts: list[tuple[Path, memoryview]]) -> None:
    """Write all parts aside, then rename them in order: the last one makes the rest trusted.

    A failure before the first rename changes nothing; one between two renames leaves a file
    that its neighbor does not vouch for, which readers refuse.
    """
    drafts = [(path.with_name(f".{path.name}.draft"), path) for path, _ in parts]
    folder = parts[0][0].parent
    try:
        for (draft, _), (_, content) in zip(drafts, parts, strict=True):
            _write(layer, draft, content)
        for draft, path in drafts:
            layer.rename(draft, path)
        layer.flush_folder(folder)
    except OSError as error:
        raise CatalogError(
            f"{folder}: cannot write: {error.strerror or error}; nothing new is trusted: "
            "free space or fix the permissions, then run the command again"
        ) from error
    finally:
        for draft, _ in drafts:
            draft.unlink(missing_ok=True)


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
