"""The text that is compiled for one strategy: the loop and the strategy's own target.

Only a target whose every operation gives the same bits compiled as interpreted is taken: plain
assignments, branches, comparisons, arithmetic without powers, and a short list of functions. For
everything else the reason is stated, and the kernel runs the strategy as it is.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_BUILTINS = {"abs": abs, "min": min, "max": max, "float": float, "bool": bool}
_MATH = {name: getattr(math, name) for name in ("sqrt", "exp", "log", "fabs", "isnan", "copysign")}
# These raise in Python where the machine returns NaN or an infinity.
_RAISING = ("sqrt", "exp", "log")
_NODES = (
    ast.Return, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.If, ast.Pass, ast.IfExp, ast.Compare,
    ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.expr_context, ast.boolop, ast.cmpop, ast.unaryop,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod,
)  # fmt: skip
# Identity, membership and bits belong to objects and integers, not to numbers of one row.
_NO_NODES = (ast.Is, ast.IsNot, ast.In, ast.NotIn, ast.Invert)
_RESERVED = ("f_", "h_", "u_")
_INT_MAX = 1 << 20  # Products of three still fit into 64 bits.


class NeedsKernel(Exception):
    """What the compiled path does not model; the text is the reason."""


@dataclass(frozen=True, slots=True)
class TargetSource:
    """The text of a target as a function of rows, with the parameters it reads."""

    text: str
    parameters: tuple[str, ...]

    @property
    def digest(self) -> str:
        """A hash of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:24]


def read_target(
    target: Callable[[Any, float], float],
    features: Sequence[str],
    parameters: Mapping[str, type],
) -> TargetSource:
    """Write a target as what the loop asks of it, or raise NeedsKernel."""
    tree = _function(target)
    arguments = _arguments(tree)
    if len(arguments) != 2:
        raise NeedsKernel("target must take exactly (f, position) to be compiled")
    both = sorted(set(features) & set(parameters))
    if both:
        raise NeedsKernel(f"{both[0]!r} names a feature and a parameter; rename one of them")
    reader = _Reader(target, arguments[0], frozenset((*features, *parameters)))
    body = reader.body(tree)
    read = tuple(name for name in parameters if name in reader.fields)
    lines = [
        f"f_{name} = u_columns[{at}][u_row]"
        for at, name in enumerate(features)
        if name in reader.fields
    ]
    lines += [_parameter(name, at, parameters[name]) for at, name in enumerate(read)]
    known = [f"(u_columns[{at}][u_row] == u_columns[{at}][u_row])" for at in range(len(features))]
    parts = [f"u_columns[{at}][u_row:u_row + BLOCK], " for at in range(max(len(features), 1))]
    text = "\n".join(
        (
            *reader.functions.values(),
            f"def is_known(u_columns, u_row):\n    return {' & '.join(known) or 'True'}\n",
            f"def window(u_columns, u_row):\n    return ({''.join(parts)})\n",
            f"def decide(u_columns, u_values, u_row, {arguments[1]}):",
            textwrap.indent("\n".join((*lines, body)), "    "),
            f"\nHELPERS = ({''.join(f'{name!r}, ' for name in reader.functions)})\n",
        )
    )
    return TargetSource(text, read)


def _parameter(name: str, at: int, kind: type) -> str:
    if kind is float:
        return f"f_{name} = u_values[{at}]"
    if kind is int:
        return f"f_{name} = int(u_values[{at}])"
    if kind is bool:
        return f"f_{name} = u_values[{at}] != 0.0"
    raise NeedsKernel(f"target reads the parameter {name!r}, which is text")


@functools.lru_cache(maxsize=256)
def _text(target: Callable[..., Any]) -> str:
    return textwrap.dedent(inspect.getsource(target))


def _function(target: Callable[..., Any]) -> ast.FunctionDef:
    name = getattr(target, "__name__", "target")
    if not inspect.isfunction(target):
        raise NeedsKernel(f"{name} is not a plain Python function")
    if target.__code__.co_freevars:
        closed = target.__code__.co_freevars[0]
        raise NeedsKernel(f"{name} closes over {closed!r}; make it a parameter")
    try:
        tree = ast.parse(_text(target))
    except (OSError, SyntaxError, TypeError):
        raise NeedsKernel(f"the source of {name} cannot be read") from None
    found = tree.body[0]
    if not isinstance(found, ast.FunctionDef):
        raise NeedsKernel(f"{name} is not written as a def")
    return found


def _arguments(tree: ast.FunctionDef) -> list[str]:
    given = tree.args
    if given.vararg or given.kwarg or given.kwonlyargs or given.defaults:
        raise NeedsKernel(f"{tree.name} has optional arguments; give all of them by position")
    return [item.arg for item in (*given.posonlyargs, *given.args)]


class _Reader(ast.NodeTransformer):
    """Checks a function and turns ``f.name`` into a local name; collects what it calls."""

    def __init__(self, owner: Any, row: str, known: frozenset[str]) -> None:
        self.owner = owner
        self.row = row
        self.known = known
        self.fields: set[str] = set()
        self.functions: dict[str, str] = {}
        self.locals = frozenset(owner.__code__.co_varnames)

    def body(self, tree: ast.FunctionDef) -> str:
        for name in sorted(self.locals):
            if name.startswith(_RESERVED) or name == "math":
                raise NeedsKernel(f"{tree.name} uses the local name {name!r}; choose another")
        statements = tree.body[1:] if ast.get_docstring(tree) is not None else tree.body
        return "\n".join(ast.unparse(self.visit(node)) for node in statements) or "pass"

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if not isinstance(node, _NODES) or isinstance(node, _NO_NODES):
            word = {"Pow": "the operator **; write x * x"}.get(type(node).__name__)
            raise NeedsKernel(f"target uses {word or type(node).__name__}, which is not compiled")
        return super().generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return _number(node.value, repr(node.value))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return ast.Pass()
        return ast.fix_missing_locations(
            ast.Assign([self.visit(node.target)], self.visit(node.value), lineno=0)
        )

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        owner = node.value.id if isinstance(node.value, ast.Name) else ""
        if owner and owner == self.row:
            if node.attr not in self.known or not isinstance(node.ctx, ast.Load):
                raise NeedsKernel(f"{owner}.{node.attr} is neither a feature nor a parameter")
            self.fields.add(node.attr)
            return ast.Name(f"f_{node.attr}", ast.Load())
        if owner and owner not in self.locals and self._global(owner) is math:
            return _number(getattr(math, node.attr, None), ast.unparse(node))
        raise NeedsKernel(f"target reads {ast.unparse(node)}, which is not compiled")

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id == self.row:
            raise NeedsKernel(f"target uses {node.id!r} by itself; read its fields one by one")
        if node.id in self.locals:
            return node
        return _number(self._global(node.id), node.id)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if node.keywords or any(isinstance(item, ast.Starred) for item in node.args):
            raise NeedsKernel(f"{ast.unparse(node)} passes keywords; pass all by position")
        called = self._called(node.func)
        return ast.Call(ast.Name(called, ast.Load()), [self.visit(item) for item in node.args], [])

    def _called(self, function: ast.expr) -> str:
        text = ast.unparse(function)
        owner, _, name = text.rpartition(".")
        if owner and owner not in self.locals and self._global(owner) is math:
            value = getattr(math, name, None)
        else:
            value = None if text in self.locals else self._global(text)
        for name, known in _MATH.items():
            if value is known:
                return f"safe_{name}" if name in _RAISING else f"math.{name}"
        if text in _BUILTINS and value is _BUILTINS[text]:
            return text
        return self._helper(text, value)

    def _global(self, name: str) -> Any:
        missing = _BUILTINS.get(name)
        return self.owner.__globals__.get(name, missing)

    def _helper(self, name: str, value: Any) -> str:
        if not inspect.isfunction(value) or "." in name:
            raise NeedsKernel(f"target calls {name}, which is not compiled")
        own = f"h_{name}"
        if own in self.functions:
            return own
        tree = _function(value)
        arguments = _arguments(tree)
        inner = _Reader(value, "", frozenset())
        body = inner.body(tree)
        for key, text in inner.functions.items():
            if self.functions.setdefault(key, text) != text:
                raise NeedsKernel(f"two functions are named {key[2:]!r}; rename one of them")
        self.functions[own] = (
            f"def {own}({', '.join(arguments)}):\n{textwrap.indent(body, '    ')}\n"
        )
        return own


def _number(value: Any, text: str) -> ast.AST:
    """A number written into the text; its value is part of what is compiled."""
    if type(value) is bool or (type(value) is float and math.isfinite(value)):
        return ast.Constant(value)
    if type(value) is int and abs(value) < _INT_MAX:
        return ast.Constant(value)
    raise NeedsKernel(f"target reads {text}, which is not a number that can be compiled")
