"""Find the strategy that a person names: a file, a class in a module, or a shipped example."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from interlock.strategy.api import Strategy, TargetStrategy
from interlock.strategy.parameters import ParameterError, parse_parameter

AnyStrategy = Strategy | TargetStrategy
StrategyClass = type[Strategy] | type[TargetStrategy]


class LoadingError(ValueError):
    """A name that leads to no strategy, or to more than one."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A strategy class with where it came from: what names it again and the hash of its source."""

    reference: str
    kind: StrategyClass
    path: Path | None = None
    source: str = ""
    source_sha256: str = ""

    @property
    def is_target(self) -> bool:
        """Whether the strategy states a target for one instrument."""
        return issubclass(self.kind, TargetStrategy)

    @property
    def file_reference(self) -> str:
        """``path:Class`` with an absolute path, or the reference where there is no file."""
        named = self.path is not None and not is_example(self.reference)
        return f"{self.path}:{self.kind.__name__}" if named else self.reference


def load_strategy(reference: str) -> Loaded:
    """The strategy behind ``file.py``, ``file.py:Class``, ``package.module:Class`` or an example.

    A file runs under a module name that depends on its path only, so that a second load of the
    same file is the same to pickle and to caches. What the file itself raises is not caught.
    Raises LoadingError.
    """
    if is_example(reference):
        path = examples_folder() / f"{reference}.py"
        return _from_file(reference, path, "")
    place, _, name = reference.rpartition(":")
    if not place or place.endswith(("/", "\\")) or name.endswith(".py"):
        place, name = reference, ""
    if place.endswith(".py") or Path(place).is_file():
        return _from_file(reference, Path(place), name)
    if name:
        return _from_module(place, name)
    raise LoadingError(_unknown(reference))


def describe(kind: StrategyClass) -> Loaded:
    """What is known of a class that was handed over as it is, as in a notebook."""
    module = sys.modules.get(kind.__module__)
    if module is not None and kind.__module__ != "__main__" and module.__file__:
        path = Path(inspect.getfile(kind))
        source = path.read_text(encoding="utf-8")
        reference = f"{kind.__module__}:{kind.__qualname__}"
        if kind.__module__.startswith(_PREFIX):
            reference = f"{path}:{kind.__name__}"
        return Loaded(reference, kind, path, source, _sha256(source.encode()))
    return Loaded(f"{kind.__module__}:{kind.__qualname__}", kind)


def examples_folder() -> Path:
    """The shipped strategies: inside an installed package, beside ``src`` in a checkout."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "examples"
    return shipped if shipped.is_dir() else package.parents[1] / "examples"


def example_names() -> list[str]:
    """The names of the shipped strategies."""
    found = examples_folder().glob("*.py")
    return sorted(path.stem for path in found if not path.stem.startswith("_"))


def is_example(reference: str) -> bool:
    """Whether a reference is the bare name of a shipped strategy."""
    return reference.isidentifier() and (examples_folder() / f"{reference}.py").is_file()


def parse_parameters(kind: StrategyClass, assignments: Sequence[str]) -> dict[str, Any]:
    """Values of ``name=value`` texts in their declared types; raises ParameterError."""
    values: dict[str, Any] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise ParameterError(f"parameter {text!r} is not NAME=VALUE, such as fast=20")
        if name not in kind.parameters:
            raise ParameterError(_unknown_parameter(kind, name))
        if name in values:
            raise ParameterError(f"parameter {name} is given twice; give it once")
        values[name] = parse_parameter(kind.parameters[name], value.strip())
    return values


def make(kind: StrategyClass, values: Mapping[str, Any]) -> AnyStrategy:
    """The strategy with its parameters; raises ParameterError."""
    for name in values:
        if name not in kind.parameters:
            raise ParameterError(_unknown_parameter(kind, name))
    return kind(**values)


_PREFIX = "interlock_strategy_"


def _from_file(reference: str, path: Path, name: str) -> Loaded:
    path = path.expanduser().absolute()
    if not path.is_file():
        raise LoadingError(_no_file(path))
    content = path.read_bytes()
    try:
        source = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LoadingError(f"{path} is no UTF-8 text: {error}; save it as UTF-8") from None
    module = _execute(path, source)
    kind = _choose(module, name, where=reference.removesuffix(f":{name}") if name else reference)
    return Loaded(reference, kind, path, source, _sha256(content))


def _execute(path: Path, source: str) -> ModuleType:
    """Run a file as a module; compiled here, so that what runs is what was hashed."""
    stem = "".join(mark if mark.isalnum() else "_" for mark in path.stem)
    name = f"{_PREFIX}{stem}_{_sha256(str(path).encode())[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    _reach(path.parent)
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)
    except BaseException:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
        raise
    return module


def _reach(folder: Path) -> None:
    """Let a strategy import what lies beside it, as a script may."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _from_module(place: str, name: str) -> Loaded:
    if place == "__main__":
        raise LoadingError(
            f"{name} was defined in a notebook or a script, where no other program finds it; "
            f"put the class into a file and name that: my_file.py:{name}"
        )
    _reach(Path.cwd())
    try:
        found = importlib.util.find_spec(place)
    except (ImportError, ValueError):
        found = None
    if found is None:
        raise LoadingError(_unknown(f"{place}:{name}"))
    module = importlib.import_module(place)
    kind = _choose(module, name, where=place)
    path = Path(module.__file__) if module.__file__ else None
    content = path.read_bytes() if path else b""
    return Loaded(f"{place}:{name}", kind, path, content.decode("utf-8-sig"), _sha256(content))


def _choose(module: ModuleType, name: str, *, where: str) -> StrategyClass:
    own = {
        key: item
        for key, item in vars(module).items()
        if _is_strategy(item) and item.__module__ == module.__name__ and item.__name__ == key
    }
    if name:
        item: Any = getattr(module, name, None)
        if _is_strategy(item):
            return cast(StrategyClass, item)
        held = ", ".join(own) or "none"
        what = "has no class" if item is None else "holds something else named"
        raise LoadingError(f"{where} {what} {name!r}; its strategies are: {held}")
    public = {key: item for key, item in own.items() if not key.startswith("_")}
    if len(public) == 1:
        return cast(StrategyClass, next(iter(public.values())))
    if not public:
        raise LoadingError(
            f"{where} defines no strategy; write a class that inherits from interlock.Strategy or "
            "interlock.TargetStrategy (`interlock new NAME` makes one)"
        )
    raise LoadingError(
        f"{where} defines {len(public)} strategies ({', '.join(public)}); "
        f"name one: {where}:{next(iter(public))}"
    )


def _is_strategy(item: Any) -> bool:
    return (
        isinstance(item, type)
        and issubclass(item, Strategy | TargetStrategy)
        and item not in (Strategy, TargetStrategy)
    )


def _no_file(path: Path) -> str:
    message = f"there is no file {path}"
    beside = [item.name for item in sorted(path.parent.glob("*.py"))]
    close = difflib.get_close_matches(path.name, beside, n=1)
    if close:
        return f"{message}; did you mean {close[0]}?"
    return f"{message}; check the path, or make a strategy with `interlock new {path.stem}`"


def _unknown(reference: str) -> str:
    names = example_names()
    close = difflib.get_close_matches(reference, names, n=1)
    if Path(f"{reference}.py").is_file():
        close = [f"{reference}.py"]
    hint = f" (did you mean {close[0]}?)" if close else ""
    return (
        f"{reference!r} names no strategy{hint}; write path/to/file.py, path/to/file.py:Class, "
        f"package.module:Class, or an example: {', '.join(names) or 'none are installed'}"
    )


def _unknown_parameter(kind: StrategyClass, name: str) -> str:
    known = list(kind.parameters)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    held = ", ".join(
        f"{key} ({item.type.__name__}, default {item.default!r}, {item.range_text()})"
        for key, item in kind.parameters.items()
    )
    return f"{kind.__name__} has no parameter {name!r}{hint}; it has: {held or 'none'}"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
