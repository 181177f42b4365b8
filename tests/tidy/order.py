"""Tidy rule about order: nothing in pure code may take its order from a set.

The order of a set of strings depends on the hash seed of the process, so a loop over one gives
other fills in another process. The rule sees literals, calls, set arithmetic and names that are
assigned or annotated as sets in the same file; it does not follow values between files.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.tidy.source import Finding, Source

_SET_NAMES = {"set", "frozenset", "Set", "AbstractSet", "FrozenSet", "MutableSet"}
_SET_METHODS = {"union", "intersection", "difference", "symmetric_difference"}
_SET_OPERATORS = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)
_ORDERING_CALLS = {"list", "tuple", "iter", "enumerate", "zip", "map", "filter", "reversed"}
_LOOPS = (ast.For, ast.AsyncFor, ast.comprehension)


def set_order(source: Source) -> Iterator[Finding]:
    if not source.is_pure:
        return
    names = _set_names(source)
    for expression in _ordered_expressions(source, names):
        yield source.finding(
            expression.lineno,
            "set-order",
            f"the order of {ast.unparse(expression)} depends on the hash seed; sort it, or keep "
            "a dict or a tuple",
        )


def _ordered_expressions(source: Source, names: set[str]) -> Iterator[ast.expr]:
    """Yield the set expressions whose order reaches the program."""
    harmless = _inside_sorted(source)
    for node in source.nodes:
        candidates: list[ast.expr] = []
        if isinstance(node, _LOOPS) and id(node) not in harmless:
            candidates = [node.iter]
        elif isinstance(node, ast.Starred):
            candidates = [node.value]
        elif isinstance(node, ast.Call):
            candidates = _ordered_by_call(node, names)
        yield from (item for item in candidates if _is_set(item, names))


def _ordered_by_call(call: ast.Call, names: set[str]) -> list[ast.expr]:
    match call.func:
        case ast.Name(id=name) if name in _ORDERING_CALLS:
            return call.args
        case ast.Attribute(attr="join" | "extend"):
            return call.args
        case ast.Attribute(attr="pop", value=value) if not call.args and _is_set(value, names):
            return [value]
        case _:
            return []


def _inside_sorted(source: Source) -> set[int]:
    """Comprehensions handed straight to a call that does not keep their order."""
    harmless: set[int] = set()
    for node in source.nodes:
        match node:
            case ast.Call(
                func=ast.Name(id="sorted" | "set" | "frozenset" | "any" | "all" | "min" | "max"),
                args=[ast.GeneratorExp() | ast.ListComp() | ast.SetComp() as inner, *_],
            ):
                harmless.update(id(item) for item in inner.generators)
            case ast.SetComp():
                harmless.update(id(item) for item in node.generators)
    return harmless


def _is_set(expression: ast.expr, names: set[str]) -> bool:
    match expression:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id=name)) if name in {"set", "frozenset"}:
            return True
        case ast.Call(func=ast.Attribute(attr=method, value=value)) if method in _SET_METHODS:
            return _is_set(value, names)
        case ast.BinOp(left=left, op=operator, right=right) if isinstance(operator, _SET_OPERATORS):
            return _is_set(left, names) or _is_set(right, names)
        case ast.Name() | ast.Attribute():
            return ast.unparse(expression) in names
        case _:
            return False


def _set_names(source: Source) -> set[str]:
    """Names and attributes that this file assigns or annotates as sets."""
    names: set[str] = set()
    for node in source.nodes:
        match node:
            case ast.Assign(targets=targets, value=value) if _is_set(value, names):
                names.update(ast.unparse(target) for target in targets)
            case ast.AnnAssign(target=target, annotation=annotation) if _says_set(annotation):
                name = ast.unparse(target)
                names.update({name, f"self.{name}"})
            case ast.arg(arg=name, annotation=ast.expr() as annotation) if _says_set(annotation):
                names.add(name)
    return names


def _says_set(annotation: ast.expr) -> bool:
    outer = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return ast.unparse(outer).rsplit(".", 1)[-1] in _SET_NAMES


RULES = (set_order,)
