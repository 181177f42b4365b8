"""Every tidy rule finds a fault planted for it, and nothing in the honest twin beside it."""

from __future__ import annotations

import textwrap

import pytest

from tests.tidy import checker
from tests.tidy.source import Source

KERNEL = "src/interlock/kernel/planted.py"
RESEARCH = "src/interlock/research/planted.py"
TEST = "tests/unit/test_planted.py"


def rules_found(path: str, body: str) -> list[str]:
    source = Source(path, '"""Planted."""\n' + textwrap.dedent(body))
    return [finding.rule for finding in checker.check(source)]


def function_of(lines: int, *, docstring: int = 0) -> str:
    text = 'def work():\n    """' + "\n" * docstring + '"""\n' if docstring else "def work():\n"
    return text + "    x = 1\n" * lines


SIZE_FAULTS = [
    ("function-length", RESEARCH, function_of(60)),
    ("file-length", RESEARCH, "x = 1\n" * 500),
    ("class-methods", RESEARCH, "class Wide:\n" + "    def m(self): ...\n" * 21),
    ("positional", RESEARCH, "def fill(a, b, c, d, e): ..."),
    ("positional", RESEARCH, "class Book:\n    def fill(self, a, b, c, d, e): ..."),
    ("parameters", RESEARCH, "def fill(a, *, b, c, d, e, f, g): ..."),
    (
        "nesting",
        RESEARCH,
        "def f():\n if a:\n  for b in c:\n   while d:\n    with e:\n     if g: ...",
    ),
]
ORDER_FAULTS = [
    ("set-order", KERNEL, "for name in {'a', 'b'}: ..."),
    ("set-order", KERNEL, "names = set(rows)\nfor name in names: ..."),
    ("set-order", KERNEL, "def f(names: frozenset[str]):\n    return [n for n in names]"),
    ("set-order", KERNEL, "def f(names: set[str]):\n    return list(names)"),
    ("set-order", KERNEL, "def f(names: set[str]):\n    return names.pop()"),
    ("set-order", KERNEL, "def f(a: set[str], b):\n    return tuple(a | b)"),
    ("set-order", KERNEL, "def f(a: set[str]):\n    return ','.join(a)"),
    ("set-order", KERNEL, "class C:\n    s: set[str]\n    def f(self):\n        return [*self.s]"),
]
PURITY_FAULTS = [
    ("global", RESEARCH, "def f():\n    global state"),
    ("async", KERNEL, "async def f(): ..."),
    ("impure-call", KERNEL, "key = hash('a')"),
    ("impure-call", KERNEL, "key = id(object())"),
    ("impure-call", KERNEL, "text = open('a')"),
    ("importlib", KERNEL, "import importlib"),
    ("importlib", KERNEL, "def f():\n    from importlib import import_module"),
    ("mock", TEST, "from unittest import mock"),
    ("mock", TEST, "from unittest.mock import patch"),
    ("mock", TEST, "import mock"),
    ("sleep", TEST, "import time\ntime.sleep(0.1)"),
    ("sleep", TEST, "async def test_it():\n    await asyncio.sleep(1)"),
    ("module-name", "src/interlock/kernel/utils.py", "x = 1"),
    ("unused-escape", RESEARCH, "x = 1  # tidy-ok: there is nothing wrong here"),
]


@pytest.mark.parametrize(("rule", "path", "body"), SIZE_FAULTS + ORDER_FAULTS + PURITY_FAULTS)
def test_a_planted_fault_is_found(rule: str, path: str, body: str) -> None:
    assert set(rules_found(path, body)) == {rule}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (RESEARCH, function_of(59)),
        (RESEARCH, function_of(59, docstring=20)),
        (RESEARCH, "def fill(a, b, *, c, d): ..."),
        (RESEARCH, "def _fill(a, b, c): ..."),
        (RESEARCH, "def __init__(self, a, b, c): ..."),
        (RESEARCH, "def on_fill(self, a, b, c): ..."),
        (RESEARCH, "@click.command()\ndef run(a, b, c): ..."),
        (RESEARCH, "@njit(cache=True)\ndef run(a, b, c, d, e, f, g): ..."),
        (
            RESEARCH,
            "class A:\n    @override\n    def f(self, a, b, c): ...\n"
            "class B(A):\n    def f(self, a, b, c): ...",
        ),
        (RESEARCH, "def f():\n" + " if a: ...\n" + " elif b: ...\n" * 9),
        (RESEARCH, "async def f(): ...\nfor name in {'a'}: ...\nkey = hash('a')\nimport importlib"),
        (KERNEL, "def f(names: set[str]):\n    return sorted(names), len(names), 'a' in names"),
        (KERNEL, "def f(names: set[str]):\n    return any(n for n in names), {n for n in names}"),
        (KERNEL, "def f(flags: int, other: int):\n    return list(range(flags | other))"),
        (TEST, "async def test_it():\n    await asyncio.sleep(0)"),
    ],
)
def test_honest_code_passes(path: str, body: str) -> None:
    assert rules_found(path, body) == []


def test_a_missing_docstring_is_found() -> None:
    findings = checker.check(Source(RESEARCH, "x = 1\n"))
    assert [finding.rule for finding in findings] == ["module-docstring"]


def test_an_escape_needs_a_reason() -> None:
    assert rules_found(KERNEL, "key = id(a)  # tidy-ok: an identity map, never iterated") == []
    assert rules_found(KERNEL, "key = id(a)  # tidy-ok:") == ["impure-call"]


def test_an_index_host_is_found() -> None:
    line = "index-url = https://" + "py" + "pi.org/simple"
    assert [finding.line for finding in checker.index_hosts("pip.conf", "\n" + line)] == [2]
