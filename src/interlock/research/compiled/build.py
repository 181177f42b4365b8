"""Compiles the loop around one target, once per target: the machine code is kept on disk."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from interlock.adapters.system import write_atomically
from interlock.research.compiled import arithmetic, loop
from interlock.research.compiled.source import NeedsKernel, TargetSource

Run = Callable[..., int]

_HEAD = '''"""Written by Interlock: the compiled form of one target. It may be deleted."""

import math

import numba
import numpy
'''
_SAFE = """
def safe_sqrt(value):
    if value < 0.0:
        raise ValueError
    return math.sqrt(value)


def safe_log(value):
    if value <= 0.0:
        raise ValueError
    return math.log(value)


def safe_exp(value):
    if value > 709.0:
        raise OverflowError
    return math.exp(value)

"""
_FOOT = """
_T = numba.types
_i = numba.int64
_f = numba.float64
_b = numba.boolean
_column = _T.Array(_i, 1, "C", readonly=True)
_floats = _T.Array(_f, 1, "C", readonly=True)
_table = _T.Array(_i, 2, "C", readonly=True)
_state = numba.from_dtype(numpy.dtype([(name, "i8") for name in STATE], align=True))
_terms = numba.from_dtype(numpy.dtype([(name, "i8") for name in TERMS], align=True))
_outlet = _T.Tuple((_i[:, ::1], _f[::1]))
_sinks = _T.Tuple((_i[:, ::1], _i[::1], _i[::1], _f[::1]))
_bars = _T.UniTuple(_column, 5)
_rules = _T.Tuple((_terms, _table, _table))
_features = _T.UniTuple(_floats, FEATURES)
_columns = _T.Tuple((_features, _floats))
# Nothing allocates, so no references are counted; nothing but the whole is called from Python.
PART = {"_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
CALLED = ("scaled", "settle", "affordable")
_wanted = _i(_columns, _bars, _column, _rules, _state, _sinks)
_whole = numba.njit(
    _wanted, cache=True, nogil=True, error_model="numpy", _nrt=False, no_cfunc_wrapper=True
)


def _compile(name, *types, model="numpy"):
    # A call costs more than most of the parts.
    signature = types[0](*types[1:])
    wrap = numba.njit(signature, error_model=model, forceinline=name not in CALLED, **PART)
    globals()[name] = wrap(globals()[name])


def _compile_parts():
    for name in ("safe_sqrt", "safe_log", "safe_exp", *HELPERS):
        globals()[name] = numba.njit(error_model="python", _nrt=False)(globals()[name])
    _compile("is_known", _b, _features, _i)
    _compile("window", _features, _features, _i)
    _compile("decide", _f, _features, _floats, _i, _f, model="python")
    _compile("share", _i, _i, _i, _i)
    _compile("scaled", _i, _i, _i, _i, _i)
    _compile("money", _i, _i, _i, _i, _i)
    _compile("worsened", _i, _i, _i, _terms)
    _compile("watch", _T.void, _state, _terms, _table)
    _compile("settle", _T.void, _i, _i, _i, _table, _state, _terms)
    _compile("affordable", _i, _i, _i, _state, _terms)
    _compile("book", _i, _i, _i, _i, _state, _terms)
    _compile("fill", _i, _i, _i, _i, _bars, _state, _terms, _outlet)
    if not BY_QUANTITY:
        _compile("aimed", _i, _f, _i, _i, _state, _terms)
    _compile("is_allowed", _b, _i, _i, _i, _state, _terms)
    _compile("order", _i, _f, _i, _i, _state, _terms)
    _compile("is_danger", _b, _i, _bars, _terms, _state)
    _compile("attend", _i, _i, _bars, _rules, _state, _outlet)
    _compile("note", _T.void, _i, _i, _state, _sinks)
    _compile("act", _i, _i, _columns, _bars, _rules, _state, _sinks)
    _compile("quiet", _i, _i, _i, _columns, _f)
    if not BY_QUANTITY:
        _compile("moved", _i, _i, _i, _columns, _column, _terms, _state)
    _compile("track", _i, _i, _i, _bars, _terms, _state, _sinks)
    _compile("scan", _i, _i, _i, _columns, _bars, _terms, _state, _sinks)


try:
    # What is stored on disk needs no parts; without it, the parts have no type yet.
    _loaded = _whole(run_bars)
except numba.core.errors.TypingError:
    _compile_parts()
    _loaded = _whole(run_bars)
run_bars = _loaded
"""


def compile_run(
    source: TargetSource, features: int, folder: Path, *, by_quantity: bool = False
) -> Run:
    """The compiled loop around a target; raises NeedsKernel when numba refuses the target.

    ``folder`` keeps the generated modules and the machine code; a second process reads both.
    """
    return _compiled(source.text, features, folder, by_quantity)


@functools.lru_cache(maxsize=64)
def _compiled(target: str, features: int, folder: Path, by_quantity: bool) -> Run:
    import numba

    text = _text(target, features, by_quantity)
    digest = hashlib.sha256(f"{numba.__version__}\n{text}".encode()).hexdigest()[:24]
    name = f"target_{digest}"
    path = folder / f"{name}.py"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # numba's cache looks the module up by its name.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except numba.core.errors.NumbaError as error:
        del sys.modules[name]
        reason = str(error).strip().splitlines()[-1]
        raise NeedsKernel(f"target does not compile: {reason}") from None
    run: Run = module.run_bars
    return run


def _text(target: str, features: int, by_quantity: bool) -> str:
    return "\n".join(
        (
            _HEAD,
            _definitions(arithmetic),
            _definitions(loop),
            _SAFE,
            target,
            f"FEATURES = {max(features, 1)}",
            f"BY_QUANTITY = {by_quantity}",
            _FOOT,
        )
    )


@functools.cache
def _tree(module: Any) -> ast.Module:
    return ast.parse(Path(module.__file__).read_text(encoding="utf-8"))


def _definitions(module: Any) -> str:
    """The module without its docstring, imports and types."""
    kept = []
    for node in _tree(module).body:
        if isinstance(node, ast.FunctionDef):
            for argument in (*node.args.posonlyargs, *node.args.args):
                argument.annotation = None
            node.returns = None
            kept.append(ast.unparse(node))
        elif isinstance(node, ast.Assign) and "tuple[" not in ast.unparse(node):
            kept.append(ast.unparse(node))
    return "\n\n".join(kept)
