"""What a tidy rule reads of one file, and the finding it returns."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

PURE_PACKAGES = ("model", "strategy", "kernel", "sim")
_ESCAPE = re.compile(r"#\s*tidy-ok:\s*(?P<reason>.*)$")
_MINIMUM_REASON = 10

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, order=True)
class Finding:
    """One broken rule at one line, with the remedy in its message."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


@dataclass(frozen=True)
class Source:
    """One Python file: its path below the repository root, with slashes, and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        return tuple(ast.walk(self.tree))

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def in_library(self) -> bool:
        return self.path.startswith("src/")

    @property
    def in_tests(self) -> bool:
        return self.path.startswith("tests/")

    @property
    def is_pure(self) -> bool:
        """Whether clocks, chance, files and tasks are forbidden here."""
        parts = self.path.removesuffix(".py").split("/")
        return parts[:2] == ["src", "interlock"] and parts[2] in PURE_PACKAGES

    @cached_property
    def escapes(self) -> dict[int, str]:
        """Reasons of `tidy-ok` comments by line; a reason must say something to count."""
        found = {}
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            match = _ESCAPE.search(token.string) if token.type == tokenize.COMMENT else None
            if match and len(match["reason"].strip()) >= _MINIMUM_REASON:
                found[token.start[0]] = match["reason"].strip()
        return found

    def functions(self) -> Iterator[Function]:
        for node in self.nodes:
            if isinstance(node, Function):
                yield node

    def classes(self) -> Iterator[ast.ClassDef]:
        for node in self.nodes:
            if isinstance(node, ast.ClassDef):
                yield node

    def finding(self, line: int, rule: str, message: str) -> Finding:
        return Finding(self.path, line, rule, message)
