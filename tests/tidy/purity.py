"""Tidy rules about what code may not reach: hidden state, tasks, files, mocks and sleeps."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.tidy.source import Finding, Source

_ASYNC = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
_IMPURE_CALLS = {
    "hash": "its value depends on the hash seed; use a digest of the bytes",
    "id": "its value is an address; compare with `is` or carry an identifier",
    "open": "files belong to adapters; pass the content",
    "input": "the kernel hears events only",
    "__import__": "imports stand at the head of the file, where the floors see them",
    "eval": "code is not data here",
    "exec": "code is not data here",
}
_VAGUE_MODULES = {
    "utils", "util", "helpers", "helper", "common", "manager", "handler", "base", "misc", "v2",
}  # fmt: skip


def module_docstring(source: Source) -> Iterator[Finding]:
    if source.text.strip() and ast.get_docstring(source.tree) is None:
        yield source.finding(
            1, "module-docstring", "the file has no docstring; name its duty in one sentence"
        )


def module_name(source: Source) -> Iterator[Finding]:
    parts = source.path.removesuffix(".py").split("/")
    vague = sorted(_VAGUE_MODULES.intersection(parts))
    if vague:
        yield source.finding(1, "module-name", f"{vague[0]} says nothing; name what it holds")


def global_statement(source: Source) -> Iterator[Finding]:
    for node in source.nodes:
        if isinstance(node, ast.Global):
            yield source.finding(
                node.lineno,
                "global",
                f"global {', '.join(node.names)} is hidden state; pass it as a value",
            )


def asynchronous(source: Source) -> Iterator[Finding]:
    for node in source.nodes:
        if source.is_pure and isinstance(node, _ASYNC):
            yield source.finding(
                node.lineno, "async", "pure code has no tasks; return an effect instead"
            )


def impure_call(source: Source) -> Iterator[Finding]:
    if not source.is_pure:
        return
    for node in source.nodes:
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in _IMPURE_CALLS:
                yield source.finding(node.lineno, "impure-call", f"{name}(): {_IMPURE_CALLS[name]}")


def dynamic_import(source: Source) -> Iterator[Finding]:
    if not source.is_pure:
        return
    for line, module in _imports(source):
        if module.split(".")[0] == "importlib":
            yield source.finding(
                line, "importlib", "a computed import passes under the floors; import by name"
            )


def mock(source: Source) -> Iterator[Finding]:
    for line, module in _imports(source):
        if module.split(".")[0] == "mock" or module.startswith(("unittest.mock", "pytest_mock")):
            yield source.finding(
                line, "mock", f"{module} is a mock; use the real part or a fake at the edge"
            )


def sleep_in_test(source: Source) -> Iterator[Finding]:
    if not source.in_tests:
        return
    for node in source.nodes:
        match node:
            case ast.Call(
                func=ast.Attribute(attr="sleep") | ast.Name(id="sleep"), args=[duration, *_]
            ) if not _is_zero(duration):
                yield source.finding(
                    node.lineno, "sleep", "tests do not wait; use virtual time or an event"
                )


def _is_zero(expression: ast.expr) -> bool:
    return isinstance(expression, ast.Constant) and expression.value == 0


def _imports(source: Source) -> Iterator[tuple[int, str]]:
    for node in source.nodes:
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, item.name) for item in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from ((node.lineno, f"{module}.{item.name}") for item in names)


RULES = (
    module_docstring,
    module_name,
    global_statement,
    asynchronous,
    impure_call,
    dynamic_import,
    mock,
    sleep_in_test,
)
