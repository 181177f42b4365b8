"""A disk in memory that loses power: what is durable, what is not yet, and what may be left of it.

Rules of the model. A sync of a file makes its writes and truncates durable, a sync of a folder the
names in it. What was not synced may be there, be missing, be there in part or in another order.
Names change in their order, as journaling file systems do it: any number of the last changes may
be missing. A failed sync loses what it was to make durable, though programs still read it: Linux
marks those pages clean. Folders themselves do not vanish.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.crash_points.damage import Damage, apply
from tests.crash_points.operations import Kind, Operation
from tests.toy_venue import Splitmix

Image = dict[str, bytes]


class Node:
    """The content of one file, apart from its names."""

    def __init__(self, content: bytes = b"") -> None:
        self.durable = bytearray(content)
        self.pending: list[Operation] = []


class Disk:
    """The state of a disk after the operations it took."""

    def __init__(self, start: Image | None = None) -> None:
        self.names: dict[str, Node] = {
            path: Node(content) for path, content in (start or {}).items()
        }
        self._durable_names = dict(self.names)
        self._changes: list[tuple[Operation, Node | None]] = []

    def take(self, operation: Operation) -> None:
        """Let one operation happen, as programs see it."""
        path, kind = operation.path, operation.kind
        if kind in (Kind.WRITE, Kind.TRUNCATE):
            if not operation.failed or operation.data:
                self.names[path].pending.append(operation)
        elif kind is Kind.SYNC:
            self._sync(self.names[path], is_lost=operation.failed)
        elif operation.failed:
            return
        elif kind is Kind.SYNC_FOLDER:
            self._changes = _split_changes(self._changes, path, self._durable_names)
        else:
            self._rename(operation)

    def _sync(self, node: Node, *, is_lost: bool) -> None:
        pending, node.pending = node.pending, []
        if not is_lost:
            for operation in pending:
                apply(node.durable, operation)

    def _rename(self, operation: Operation) -> None:
        node = Node() if operation.kind is Kind.CREATE else None
        self._changes.append((operation, node))
        _change_name(self.names, operation, node)

    def image(self, damage: Damage, draw: Splitmix, torn: Sequence[Operation] = ()) -> Image:
        """What is on the disk after the power went, with one way to treat what was not synced.

        ``torn`` are the parts of a write that was under way which have reached the disk, whatever
        became of what was before it.
        """
        names = dict(self._durable_names)
        for operation, node in self._changes[: damage.names(len(self._changes), draw)]:
            _change_name(names, operation, node)
        image = {}
        for number, path in enumerate(sorted(names)):
            node = names[path]
            content = bytearray(node.durable)
            if node.pending:
                damage.data(content, node.pending, draw, number)
            for part in torn:
                if self.names.get(part.path) is node:
                    apply(content, part)
            image[path] = bytes(content)
        return image


def _split_changes(
    changes: list[tuple[Operation, Node | None]], folder: str, durable: dict[str, Node]
) -> list[tuple[Operation, Node | None]]:
    """Make the changes of names in one folder durable; returns those of others."""
    others = []
    for operation, node in changes:
        if operation.path.rpartition("/")[0] == folder:
            _change_name(durable, operation, node)
        else:
            others.append((operation, node))
    return others


def _change_name(names: dict[str, Node], operation: Operation, node: Node | None) -> None:
    if node is not None:
        names[operation.path] = node
    elif operation.kind is Kind.REMOVE:
        names.pop(operation.path, None)
    elif operation.path in names:
        names[operation.target] = names.pop(operation.path)
