"""Naming a strategy: files, classes, modules and examples, and what is said when that fails."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

from interlock.research.loading import (
    LoadingError,
    describe,
    example_names,
    load_strategy,
    parse_parameters,
)
from interlock.strategy.parameters import ParameterError

ONE = """
from interlock import Strategy, param

class One(Strategy):
    fast: int = param(20, 2, 50)
    name: str = param("a", choices=["a", "b"])
    scale: float = param(1.5)
    flip: bool = param(False)
"""


def write(folder: Path, text: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_gives_its_one_strategy(tmp_path: Path) -> None:
    path = write(tmp_path, ONE)
    loaded = load_strategy(str(path))
    assert loaded.kind.__name__ == "One"
    assert loaded.path == path
    assert len(loaded.source_sha256) == 64
    assert not loaded.is_target
    assert loaded.file_reference == f"{path}:One"
    again = load_strategy(loaded.file_reference)
    assert again.kind.__module__ == loaded.kind.__module__


def test_the_class_can_be_pickled_and_names_its_real_file(tmp_path: Path) -> None:
    loaded = load_strategy(str(write(tmp_path, ONE)))
    assert pickle.loads(pickle.dumps(loaded.kind)) is loaded.kind
    assert sys.modules[loaded.kind.__module__].__file__ == str(loaded.path)
    assert not (tmp_path / "__pycache__").exists()


def test_an_edit_counts_at_once_even_within_one_second(tmp_path: Path) -> None:
    path = write(tmp_path, ONE)
    before = load_strategy(str(path))
    write(tmp_path, ONE.replace("20", "30"))
    after = load_strategy(str(path))
    assert [item.kind.parameters["fast"].default for item in (before, after)] == [20, 30]
    assert before.source_sha256 != after.source_sha256


def test_a_file_may_import_what_lies_beside_it(tmp_path: Path) -> None:
    write(tmp_path, "NUMBER = 7\n", "beside_the_strategy.py")
    path = write(tmp_path, "from beside_the_strategy import NUMBER\n" + ONE)
    assert load_strategy(str(path)).kind.__name__ == "One"


def test_several_strategies_need_a_name(tmp_path: Path) -> None:
    path = write(tmp_path, ONE + "class Two(Strategy): pass\nclass _Inner(Strategy): pass\n")
    with pytest.raises(LoadingError, match=r"2 strategies \(One, Two\); name one: .*mine.py:One"):
        load_strategy(str(path))
    assert load_strategy(f"{path}:Two").kind.__name__ == "Two"
    with pytest.raises(LoadingError, match="no class 'Three'; its strategies are: One, Two"):
        load_strategy(f"{path}:Three")
    with pytest.raises(LoadingError, match="something else named 'param'"):
        load_strategy(f"{path}:param")


def test_an_imported_strategy_is_not_the_strategy_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "from interlock import Strategy, TargetStrategy\n")
    with pytest.raises(LoadingError, match="defines no strategy.*interlock new"):
        load_strategy(str(path))


def test_a_module_gives_the_class_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, ONE, "a_module_of_strategies.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    loaded = load_strategy("a_module_of_strategies:One")
    assert loaded.reference == "a_module_of_strategies:One"
    assert describe(loaded.kind).source_sha256 == loaded.source_sha256


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mime.py", "did you mean mine.py"),
        ("other.py", "interlock new other"),
        ("mine", "did you mean mine.py"),
        ("ma_crosss", "did you mean ma_cross"),
        ("no.such.module:Class", "names no strategy"),
        ("__main__:Mine", "put the class into a file"),
    ],
)
def test_a_wrong_name_gets_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    write(tmp_path, ONE)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LoadingError, match=message):
        load_strategy(name)


@pytest.mark.parametrize("name", example_names())
def test_every_example_loads_by_its_name(name: str) -> None:
    loaded = load_strategy(name)
    assert loaded.reference == loaded.file_reference == name
    loaded.kind()


def test_parameters_are_read_as_their_declared_types(tmp_path: Path) -> None:
    kind = load_strategy(str(write(tmp_path, ONE))).kind
    got = parse_parameters(kind, ["fast=30", "name=b", "scale=2", "flip=True"])
    assert got == {"fast": 30, "name": "b", "scale": 2.0, "flip": True}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["fats=3"], r"no parameter 'fats'; did you mean fast\?; it has: fast \(int, default 20"),
        (["fast=x"], r"fast='x' must be a whole number; allowed: \[2, 50\]"),
        (["fast"], "is not NAME=VALUE"),
        (["fast=3", "fast=4"], "given twice"),
    ],
)
def test_a_wrong_parameter_is_named(tmp_path: Path, texts: list[str], message: str) -> None:
    kind = load_strategy(str(write(tmp_path, ONE))).kind
    with pytest.raises(ParameterError, match=message):
        parse_parameters(kind, texts)


def test_an_error_in_the_file_comes_through(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        load_strategy(str(write(tmp_path, "1 / 0\n")))
    with pytest.raises(SyntaxError):
        load_strategy(str(write(tmp_path, "class\n", "broken.py")))
