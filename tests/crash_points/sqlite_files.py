"""A VFS over the very SQLite library that `sqlite3` uses: it sees each write, sync and truncate.

The files are opened by SQLite's own VFS and keep its locks, shared memory and reads. Only the
methods that change a file are replaced in a copy of its method table, so that the engine's code
and the engine's SQLite run as they do in use. `apsw` was looked at: it brings another SQLite.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from tests.crash_points.operations import Kind, Operation, Recorder

_VOID, _INT, _LONG, _TEXT = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_char_p
_Open = ctypes.CFUNCTYPE(_INT, _VOID, _VOID, _VOID, _INT, ctypes.POINTER(_INT))
_Delete = ctypes.CFUNCTYPE(_INT, _VOID, _TEXT, _INT)
_Write = ctypes.CFUNCTYPE(_INT, _VOID, _VOID, _INT, _LONG)
_Truncate = ctypes.CFUNCTYPE(_INT, _VOID, _LONG)
_Sync = ctypes.CFUNCTYPE(_INT, _VOID, _INT)

_OPEN_CREATE, _DELETE_ON_CLOSE = 0x4, 0x8
# The kinds of file for which SQLite's unix VFS syncs the folder with the file's first sync:
# a rollback journal, a super-journal, a write-ahead log.
_SYNCS_FOLDER = 0x800 | 0x4000 | 0x80000
_IOERR_WRITE, _IOERR_FSYNC, _IOERR_TRUNCATE, _IOERR_DELETE = 778, 1034, 1546, 2570
_ERRORS = {
    Kind.CREATE: sqlite3.SQLITE_CANTOPEN,
    Kind.WRITE: _IOERR_WRITE,
    Kind.SYNC: _IOERR_FSYNC,
    Kind.TRUNCATE: _IOERR_TRUNCATE,
    Kind.REMOVE: _IOERR_DELETE,
}


class _Methods(ctypes.Structure):
    """sqlite3_io_methods."""

    _fields_ = [
        ("version", _INT),
        ("close", _VOID),
        ("read", _VOID),
        ("write", _VOID),
        ("truncate", _VOID),
        ("sync", _VOID),
        *((f"rest{number}", _VOID) for number in range(13)),
    ]


class _Vfs(ctypes.Structure):
    """sqlite3_vfs."""

    _fields_ = [
        ("version", _INT),
        ("file_size", _INT),
        ("longest_path", _INT),
        ("next", _VOID),
        ("name", _TEXT),
        ("data", _VOID),
        ("open", _VOID),
        ("delete", _VOID),
        *((f"rest{number}", _VOID) for number in range(14)),
    ]


class UnreachableError(RuntimeError):
    """This Python keeps its SQLite to itself, so that no VFS can be put under it."""


class _Shim:
    """One for the process, never freed: connections may outlive the record that saw them open."""

    def __init__(self) -> None:
        library = ctypes.CDLL(_sqlite3.__file__)
        try:
            find, self._register = library.sqlite3_vfs_find, library.sqlite3_vfs_register
        except AttributeError:
            raise UnreachableError("its sqlite3 module does not export the library") from None
        find.restype, find.argtypes = _VOID, [_TEXT]
        self._register.argtypes = [_VOID, _INT]
        self.recorder: Recorder | None = None
        self.broken: list[BaseException] = []
        self._real = _Vfs.from_address(find(None))
        self._files: dict[int, tuple[str, Any, bool]] = {}
        self._tables: dict[int, tuple[Any, Any]] = {}
        self._unsynced_names: set[str] = set()
        self._real_open = _Open(self._real.open)
        self._real_delete = _Delete(self._real.delete)
        self._kept = (_Open(self._open), _Delete(self._delete), _Write(self._write),
                      _Truncate(self._truncate), _Sync(self._sync))  # fmt: skip
        self._vfs = _Vfs.from_buffer_copy(self._real)
        self._vfs.name = b"interlock-crash-points"
        self._vfs.open = ctypes.cast(self._kept[0], _VOID)
        self._vfs.delete = ctypes.cast(self._kept[1], _VOID)

    def install(self, recorder: Recorder) -> None:
        self.recorder, self.broken = recorder, []
        self._register(ctypes.addressof(self._vfs), 1)

    def remove(self) -> None:
        self.recorder = None
        self._register(ctypes.addressof(self._real), 1)

    def _safely(self, act: Callable[[], int]) -> int:
        try:
            return act()
        except BaseException as error:  # noqa: BLE001 - C cannot hear it; raised at the end
            self.broken.append(error)
            return sqlite3.SQLITE_IOERR

    def _open(self, vfs: int, name: int, file: int, flags: int, out: Any) -> int:
        return self._safely(lambda: self._open_file(name, file, flags, out))

    def _open_file(self, name: int | None, file: int, flags: int, out: Any) -> int:
        text = ctypes.string_at(name).decode() if name else ""
        path = None if self.recorder is None else self.recorder.inside(text)

        def act(_: Operation | None = None) -> int:
            code: int = self._real_open(ctypes.addressof(self._real), name, file, flags, out)
            if not code and path is not None:
                self._watch(file, path, syncs_folder=bool(flags & _SYNCS_FOLDER))
            return code

        is_new = flags & _OPEN_CREATE and not flags & _DELETE_ON_CLOSE and not os.path.exists(text)
        if path is None or not is_new:
            return act()
        code = self._perform(Operation(Kind.CREATE, path), act)
        if code:
            # SQLite looks at the methods of a file that failed to open.
            _VOID.from_address(file).value = None
        else:
            self._unsynced_names.add(text)
        return code

    def _watch(self, file: int, path: str, *, syncs_folder: bool) -> None:
        pointer = _VOID.from_address(file)
        table = pointer.value
        assert table is not None
        if table not in self._tables:
            real = _Methods.from_address(table)
            ours = _Methods.from_buffer_copy(real)
            for name, function in zip(("write", "truncate", "sync"), self._kept[2:], strict=True):
                setattr(ours, name, ctypes.cast(function, _VOID))
            originals = (_Write(real.write), _Truncate(real.truncate), _Sync(real.sync))
            self._tables[table] = (ours, originals)
        ours, originals = self._tables[table]
        pointer.value = ctypes.addressof(ours)
        self._files[file] = (path, originals, syncs_folder)

    def _write(self, file: int, data: int, size: int, at: int) -> int:
        path, (write, _, _), _ = self._files[file]

        def act(operation: Operation) -> int:
            return int(write(file, data, len(operation.data), at))

        operation = Operation(Kind.WRITE, path, at, ctypes.string_at(data, size))
        return self._safely(lambda: self._perform(operation, act))

    def _truncate(self, file: int, size: int) -> int:
        path, (_, truncate, _), _ = self._files[file]
        operation = Operation(Kind.TRUNCATE, path, size)
        return self._safely(lambda: self._perform(operation, lambda _: int(truncate(file, size))))

    def _sync(self, file: int, flags: int) -> int:
        path, _, syncs_folder = self._files[file]
        return self._safely(lambda: self._sync_file(path, syncs_folder))

    def _sync_file(self, path: str, syncs_folder: bool) -> int:
        # The disk is ours: what is durable is for the record to say, no machine has to wait.
        code = self._perform(Operation(Kind.SYNC, path), lambda _: 0)
        recorder = self.recorder
        if code or recorder is None:
            return code
        text = f"{recorder.root}/{path}"
        if syncs_folder and text in self._unsynced_names:
            self._unsynced_names.discard(text)
            folder = os.path.dirname(path)
            # SQLite does not look at how this one ends.
            recorder.perform(Operation(Kind.SYNC_FOLDER, folder), lambda _: 0)
        return code

    def _delete(self, vfs: int, name: bytes, syncs_folder: int) -> int:
        return self._safely(lambda: self._delete_file(name, syncs_folder))

    def _delete_file(self, name: bytes, syncs_folder: int) -> int:
        def act(_: Operation | None = None) -> int:
            return int(self._real_delete(ctypes.addressof(self._real), name, 0))

        recorder = self.recorder
        path = None if recorder is None else recorder.inside(name.decode())
        if recorder is None or path is None or not os.path.exists(name):
            return act()
        code = self._perform(Operation(Kind.REMOVE, path), act)
        if not code and syncs_folder:
            recorder.perform(Operation(Kind.SYNC_FOLDER, os.path.dirname(path)), lambda _: 0)
        return code

    def _perform(self, operation: Operation, act: Callable[[Operation], int]) -> int:
        if self.recorder is None:
            return act(operation)
        failed = self.recorder.refused
        code = self.recorder.perform(operation, act)
        if self.recorder.refused == failed:
            return code
        if code == errno.ENOSPC and operation.kind is Kind.WRITE:
            return sqlite3.SQLITE_FULL
        return _ERRORS[operation.kind]


@cache
def _shim() -> _Shim:
    return _Shim()


@contextmanager
def sqlite_files(recorder: Recorder) -> Iterator[None]:
    """Record what SQLite does below the recorder's folder, in connections opened from here on."""
    shim = _shim()
    shim.install(recorder)
    try:
        yield
    finally:
        shim.remove()
        if shim.broken:
            raise shim.broken[0]
