"""Tidy rules about size: functions, files, classes, parameters and nesting."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.tidy.source import Finding, Function, Source

FUNCTION_LINES = 60
FILE_LINES = 500
CLASS_METHODS = 20
PARAMETERS = 6
POSITIONAL = 4
NESTING = 4

_BLOCKS = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.With, ast.AsyncWith, ast.Try, ast.Match)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
# Decorators that fix the signature from outside: click hands options over by name, numba
# refuses keyword-only parameters, and an override repeats what its parent chose.
_FOREIGN_SIGNATURES = {
    "command", "group", "callback", "njit", "jit", "guvectorize", "vectorize", "overload",
    "register_jitable", "intrinsic", "override",
}  # fmt: skip


# Files of scalar loops that numba compiles without a decorator in sight.
_COMPILED = (
    "src/interlock/strategy/indicators/",
    "src/interlock/research/compiled/",
    "src/interlock/research/compiled.py",
)


def file_length(source: Source) -> Iterator[Finding]:
    count = len(source.lines)
    if count > FILE_LINES:
        yield source.finding(
            1,
            "file-length",
            f"{count} lines exceed {FILE_LINES}; make it a folder of the same name",
        )


def function_length(source: Source) -> Iterator[Finding]:
    for function in source.functions():
        count = _body_lines(function)
        if count > FUNCTION_LINES:
            yield source.finding(
                function.lineno,
                "function-length",
                f"{function.name} has {count} lines without its docstring, more than "
                f"{FUNCTION_LINES}; give a part of it a name",
            )


def class_methods(source: Source) -> Iterator[Finding]:
    """Count what a class can do; empty hooks named `on_*` are offers to its author."""
    for owner in source.classes():
        methods = [item for item in owner.body if isinstance(item, Function)]
        count = sum(not item.name.startswith("on_") for item in methods)
        if count > CLASS_METHODS:
            yield source.finding(
                owner.lineno,
                "class-methods",
                f"{owner.name} has {count} methods, more than {CLASS_METHODS}; split its duties",
            )


def parameters(source: Source) -> Iterator[Finding]:
    """At most six, of which two by position where strangers call.

    Excused from both: signatures fixed from outside (`_FOREIGN_SIGNATURES`, `_COMPILED`), dunder
    methods, hooks named `on_*`, and methods that repeat the name of a method of a parent class in
    the same file. Another callback says so with `tidy-ok`. A private function is called from its
    own file, where both ends are in sight, so its parameters may all stand by position.
    """
    if not source.in_library or source.path.startswith(_COMPILED):
        return
    excused = _overrides(source)
    for function, is_method in _functions_with_kind(source.tree):
        if function.lineno in excused or _signature_is_foreign(function):
            continue
        named = function.args.posonlyargs + function.args.args
        positional = len(named) - is_method
        total = positional + len(function.args.kwonlyargs)
        if total > PARAMETERS:
            yield source.finding(
                function.lineno,
                "parameters",
                f"{function.name} takes {total} parameters, more than {PARAMETERS}; "
                "pass a value that groups them",
            )
        if positional > POSITIONAL and not function.name.startswith("_"):
            yield source.finding(
                function.lineno,
                "positional",
                f"{function.name} takes {positional} parameters by position, more than "
                f"{POSITIONAL}; put a * after them",
            )


def nesting(source: Source) -> Iterator[Finding]:
    for function in source.functions():
        depth = _depth(function.body)
        if depth > NESTING:
            yield source.finding(
                function.lineno,
                "nesting",
                f"{function.name} nests {depth} blocks, more than {NESTING}; return early or "
                "name the inner part",
            )


def _body_lines(function: Function) -> int:
    count = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        docstring = function.body[0]
        count -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return count


def _functions_with_kind(tree: ast.Module) -> Iterator[tuple[Function, bool]]:
    """Yield each function and whether its first parameter is the object or the class."""
    methods = {
        id(item)
        for owner in ast.walk(tree)
        if isinstance(owner, ast.ClassDef)
        for item in owner.body
        if isinstance(item, Function) and "staticmethod" not in _decorators(item)
    }
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield node, id(node) in methods


def _signature_is_foreign(function: Function) -> bool:
    dunder = function.name.startswith("__") and function.name.endswith("__")
    hook = function.name.startswith("on_")
    return dunder or hook or not _FOREIGN_SIGNATURES.isdisjoint(_decorators(function))


def _decorators(function: Function) -> set[str]:
    targets = (
        item.func if isinstance(item, ast.Call) else item for item in function.decorator_list
    )
    return {ast.unparse(target).rsplit(".", 1)[-1] for target in targets}


def _overrides(source: Source) -> set[int]:
    """Lines of methods that a parent class in the same file also defines."""
    methods = {
        owner.name: {item.name for item in owner.body if isinstance(item, Function)}
        for owner in source.classes()
    }
    lines = set()
    for owner in source.classes():
        parents = [ast.unparse(parent).split("[")[0] for parent in owner.bases]
        inherited = set().union(*(methods.get(parent, set()) for parent in parents))
        lines |= {
            item.lineno
            for item in owner.body
            if isinstance(item, Function) and item.name in inherited
        }
    return lines


def _depth(body: list[ast.stmt]) -> int:
    return max((_statement_depth(statement) for statement in body), default=0)


def _statement_depth(statement: ast.stmt) -> int:
    if isinstance(statement, _SCOPES):
        return 0
    inner = 0
    for name in ("body", "orelse", "finalbody"):
        block = getattr(statement, name, [])
        # `elif` continues its `if`; it does not nest.
        is_elif = name == "orelse" and len(block) == 1 and isinstance(block[0], ast.If)
        inner = max(inner, _depth(block) - (1 if is_elif else 0))
    for part in getattr(statement, "handlers", []) + getattr(statement, "cases", []):
        inner = max(inner, _depth(part.body))
    return inner + isinstance(statement, _BLOCKS)


RULES = (file_length, function_length, class_methods, parameters, nesting)
