"""What a strategy's source gives away: the line of a column, and constructs that look ahead."""

from __future__ import annotations

import ast
import inspect
import linecache
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

_WHOLE = {
    "mean", "std", "var", "min", "max", "median", "quantile", "percentile", "nanmean", "nanstd",
    "nanmin", "nanmax", "argmax", "argmin", "argsort", "rank", "rankdata", "average", "fit",
    "fit_transform",
}  # fmt: skip
_BACKWARD = {"bfill", "backfill", "interpolate", "filtfilt", "savgol_filter", "gradient"}
_READERS = {
    "open", "read_csv", "read_parquet", "scan_parquet", "scan_csv", "read_feather", "loadtxt",
    "genfromtxt", "Catalog", "load_dataset", "read_pickle", "urlopen",
}  # fmt: skip
_HIDDEN = {
    "_columns", "_row", "_ts", "_open", "_high", "_low", "_close", "_volume", "_bid", "_ask",
    "_bid_quantity", "_ask_quantity", "_price", "_quantity", "_state", "_column", "_cursor",
}  # fmt: skip


@dataclass(frozen=True)
class Suspect:
    """A construct that can look ahead: its line, what it does, and what to write instead."""

    number: int
    kind: str
    what: str
    remedy: str
    node: ast.AST | None = field(default=None, repr=False, compare=False)


class StrategySource:
    """The file of a strategy, read for hints; without a file there are none."""

    def __init__(self, kind: type) -> None:
        self.path, text = _source(kind)
        self._tree = _reachable(ast.parse(text), kind)
        self._class = kind.__name__
        self.suspects = tuple(sorted(_suspects(self._tree), key=lambda item: item.number))

    def place(self, number: int) -> str:
        """``file.py:12``."""
        return f"{Path(self.path).name}:{number}"

    def readers(self) -> tuple[Suspect, ...]:
        """Places where the strategy reads data that no test can change."""
        return tuple(item for item in self.suspects if item.kind == "reader")

    def column(self, name: str) -> tuple[str, Suspect | None]:
        """The line that makes a column, and the suspect that it depends on, if one is found."""
        features = self._features()
        if features is None:
            return "", None
        value = _value_of(features, name)
        if value is None:
            suspect = self._among(features, set(ast.walk(features)))
            return (self.place(suspect.number) if suspect else ""), suspect
        suspect = self._among(features, _reach(features, value))
        return self.place(suspect.number if suspect else value.lineno), suspect

    def _features(self) -> ast.FunctionDef | None:
        for owner in ast.walk(self._tree):
            if isinstance(owner, ast.ClassDef) and owner.name == self._class:
                for item in owner.body:
                    if isinstance(item, ast.FunctionDef) and item.name == "features":
                        return item
        return None

    def _among(self, function: ast.FunctionDef, nodes: set[ast.AST]) -> Suspect | None:
        found = [item for item in self.suspects if item.kind == "column"]
        for item in found:
            if item.node in nodes:
                return item
        span = range(function.lineno, (function.end_lineno or function.lineno) + 1)
        # A function beside the class may hold it; another line of ``features`` belongs elsewhere.
        return next((item for item in found if item.number not in span), None)


def _source(kind: type) -> tuple[str, str]:
    try:
        path = inspect.getsourcefile(kind) or ""
    except (TypeError, OSError):
        return "", ""
    return path, "".join(linecache.getlines(path))


def _reachable(tree: ast.Module, kind: type) -> ast.Module:
    """The file without the other classes that happen to live in it."""
    own = {item.__name__ for item in kind.__mro__}
    body = [item for item in tree.body if not isinstance(item, ast.ClassDef) or item.name in own]
    return ast.Module(body=body, type_ignores=[])


def _value_of(function: ast.FunctionDef, name: str) -> ast.expr | None:
    """The expression behind a column's name: a dict entry, a keyword or an item assignment."""
    for node in ast.walk(function):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == name:
                    return value
        elif isinstance(node, ast.keyword | ast.Assign) and _names(node, name):
            return node.value
    return None


def _names(node: ast.keyword | ast.Assign, name: str) -> bool:
    if isinstance(node, ast.keyword):
        return node.arg == name
    return any(_is_item(part, name) for part in node.targets)


def _is_item(node: ast.expr, name: str) -> bool:
    is_item = isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
    return is_item and node.slice.value == name  # type: ignore[attr-defined]


def _reach(function: ast.FunctionDef, value: ast.expr) -> set[ast.AST]:
    """Everything that an expression depends on inside its function, through local names.

    Nodes rather than lines: two columns may stand on one line.
    """
    nodes: set[ast.AST] = set()
    waiting: list[ast.AST] = [value]
    known: set[str] = set()
    while waiting:
        node = waiting.pop()
        for part in ast.walk(node):
            nodes.add(part)
            if isinstance(part, ast.Name) and part.id not in known:
                known.add(part.id)
                waiting += _assignments(function, part.id)
    return nodes


def _assignments(function: ast.FunctionDef, name: str) -> list[ast.AST]:
    found: list[ast.AST] = []
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {part.id for item in targets for part in ast.walk(item) if _is_name(part)}  # type: ignore[attr-defined]
            if name in names:
                found.append(node)
    return found


def _is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name)


def _suspects(tree: ast.AST) -> Iterator[Suspect]:
    for node in ast.walk(tree):
        for item in _suspects_at(node):
            yield replace(item, node=node)


def _suspects_at(node: ast.AST) -> Iterator[Suspect]:
    if isinstance(node, ast.Call):
        yield from _suspect_call(node)
    elif isinstance(node, ast.Attribute) and node.attr in _HIDDEN and not _is_self(node.value):
        yield Suspect(
            node.lineno,
            "hidden",
            f"{node.attr} reaches behind the view",
            "use the public attributes and history(name, count)",
        )
    elif isinstance(node, ast.Slice) and _is_negative(node.step):
        yield Suspect(
            node.lineno,
            "column",
            "a reversed column counts from the end of the data",
            "count from the start, or over a trailing window",
        )


def _suspect_call(node: ast.Call) -> Iterator[Suspect]:
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    values = [*node.args, *(item.value for item in node.keywords)]
    if name in ("shift", "roll", "diff", "pct_change") and any(map(_is_negative, values)):
        text = f"{name} by a negative number moves later rows to earlier ones"
        yield Suspect(node.lineno, "column", text, "use shift(column, rows) with positive rows")
    elif any(item.arg == "center" and _is_true(item.value) for item in node.keywords):
        text = "a centered window holds rows from after its middle"
        yield Suspect(node.lineno, "column", text, "use a trailing window")
    elif name in _BACKWARD or any(map(_is_backward, values)):
        text = f"{name} fills or smooths with later values"
        yield Suspect(node.lineno, "column", text, "fill forward, or smooth over a trailing window")
    elif name in _READERS:
        text = f"{name} reads data that the tests cannot cut or change"
        yield Suspect(node.lineno, "reader", text, "take everything from the bars you are given")
    elif name in _WHOLE and not (name in ("min", "max") and len(node.args) > 1):
        text = f"{name} over a whole column holds every later row"
        yield Suspect(node.lineno, "column", text, "use a trailing window (zscore, sma, stdev)")


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _is_backward(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in ("backward", "bfill", "backfill")


def _is_negative(node: ast.expr | None) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
