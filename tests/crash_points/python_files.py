"""The same for files that Python writes: tape, snapshots, the reserve.

What `os`, `io` and so `pathlib` call to change a file is replaced while a record is kept. Calls on
other paths go through unseen.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.crash_points.operations import Kind, Operation, Recorder


class _Recorded(io.FileIO):
    """A new file, unbuffered below a buffer of Python's own."""

    def __init__(self, layer: _Layer, path: str) -> None:
        self._layer = layer
        self._path = path
        self._at = 0
        super().__init__(f"{layer.recorder.root}/{path}", "wb")
        layer.paths[self.fileno()] = path

    def write(self, data: Any) -> int:
        def act(operation: Operation) -> int:
            super(_Recorded, self).write(operation.data)
            return 0

        operation = Operation(Kind.WRITE, self._path, self._at, bytes(data))
        self._layer.perform(operation, act)
        self._at += len(operation.data)
        return len(operation.data)

    def close(self) -> None:
        if not self.closed:
            self._layer.paths.pop(self.fileno(), None)
        super().close()


class _Layer:
    """The replaced calls, and which descriptor stands for which path."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.paths: dict[int, str] = {}
        self.real = {name: getattr(os, name) for name in _REPLACED}
        self.real_open = io.open

    def perform(self, operation: Operation, act: Callable[[Operation], int]) -> None:
        code = self.recorder.perform(operation, act)
        if code:
            raise OSError(code, os.strerror(code))

    def inside(self, path: Any) -> str | None:
        return None if isinstance(path, int) else self.recorder.inside(os.fspath(path))

    def open_buffered(self, file: Any, mode: str = "r", *more: Any, **options: Any) -> Any:
        path = self.inside(file)
        if path is None or mode != "wb":
            return self.real_open(file, mode, *more, **options)
        made: list[_Recorded] = []
        kind = Kind.TRUNCATE if os.path.exists(file) else Kind.CREATE
        self.perform(Operation(kind, path), lambda _: made.append(_Recorded(self, path)) or 0)
        return io.BufferedWriter(made[0])

    def open(self, path: Any, flags: int, *more: Any, **options: Any) -> int:
        inside = self.inside(path)
        made: list[int] = []

        def act(_: Operation | None = None) -> int:
            made.append(self.real["open"](path, flags, *more, **options))
            return 0

        if inside is None and str(path) != str(self.recorder.root):
            act()
            return made[0]
        if flags & os.O_CREAT and not os.path.exists(path):
            assert inside is not None
            self.perform(Operation(Kind.CREATE, inside), act)
        else:
            act()
        self.paths[made[0]] = inside or ""
        return made[0]

    def write(self, descriptor: int, data: Any) -> int:
        path = self.paths.get(descriptor)
        if path is None:
            return int(self.real["write"](descriptor, data))
        at = os.lseek(descriptor, 0, os.SEEK_CUR)

        def act(operation: Operation) -> int:
            self.real["write"](descriptor, operation.data)
            return 0

        self.perform(Operation(Kind.WRITE, path, at, bytes(data)), act)
        return len(data)

    def fsync(self, descriptor: int) -> None:
        path = self.paths.get(descriptor)
        if path is None:
            self.real["fsync"](descriptor)
            return
        is_folder = os.path.isdir(f"{self.recorder.root}/{path}")
        kind = Kind.SYNC_FOLDER if is_folder else Kind.SYNC
        self.perform(Operation(kind, path), lambda _: 0)

    def dup(self, descriptor: int) -> int:
        other: int = self.real["dup"](descriptor)
        if descriptor in self.paths:
            self.paths[other] = self.paths[descriptor]
        return other

    def close(self, descriptor: int) -> None:
        self.paths.pop(descriptor, None)
        self.real["close"](descriptor)

    def replace(self, path: Any, target: Any) -> None:
        source, end = self.inside(path), self.inside(target)
        if source is None or end is None:
            self.real["replace"](path, target)
            return

        def act(_: Operation) -> int:
            self.real["replace"](path, target)
            return 0

        self.perform(Operation(Kind.RENAME, source, target=end), act)

    def unlink(self, path: Any, **options: Any) -> None:
        inside = self.inside(path)
        if inside is None or not os.path.exists(path):
            self.real["unlink"](path, **options)
            return

        def act(_: Operation) -> int:
            self.real["unlink"](path, **options)
            return 0

        self.perform(Operation(Kind.REMOVE, inside), act)


_REPLACED = ("open", "write", "fsync", "dup", "close", "replace", "unlink")


@contextmanager
def python_files(recorder: Recorder) -> Iterator[None]:
    """Record what Python does to files below the recorder's folder."""
    layer = _Layer(recorder)
    try:
        for name in _REPLACED:
            setattr(os, name, getattr(layer, name))
        io.open = layer.open_buffered  # type: ignore[assignment]
        yield
    finally:
        io.open = layer.real_open
        for name, real in layer.real.items():
            setattr(os, name, real)
