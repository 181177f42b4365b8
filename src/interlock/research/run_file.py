"""The run file: everything that repeats a run, as TOML that a person can read and edit."""

from __future__ import annotations

import json
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import msgspec

from interlock.research.options import SLIPPAGE, BacktestError, RunOptions

FORMAT = 1
OFF = "off"
_SECTIONS: dict[str, tuple[str, ...] | None] = {
    "strategy": ("reference", "source_sha256"),
    "parameters": None,
    "data": ("selections", "seed", "from", "to", "instrument", "catalog", "digest"),
    "options": None,
    "result": ("digest",),
}


# Types by the option they belong to, and what a person calls them.
_KINDS: Mapping[str, Any] = {item.name: item.type for item in msgspec.structs.fields(RunOptions)}
_WORDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


class RunFileError(ValueError):
    """A run file that does not say what to run."""


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One run as written: ``start`` and ``end`` are ISO text, empty for open.

    The digests are those of an earlier run, empty where nothing is recorded.
    """

    strategy: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    data: tuple[str, ...] = ()
    seed: int = 0
    start: str = ""
    end: str = ""
    instrument: str = ""
    catalog: str = ""
    options: RunOptions = field(default_factory=RunOptions)
    source_sha256: str = ""
    data_digest: str = ""
    result_digest: str = ""


def write_run_file(spec: RunSpec, *, folder: Path, version: str) -> str:
    """The text of a run file that will stand in ``folder``.

    Files below the folder's grandparent are named relative to the folder, so that a project may be
    moved; others by their absolute path.
    """
    sections: dict[str, dict[str, Any]] = {
        "strategy": {
            "reference": _relative(spec.strategy, folder),
            "source_sha256": spec.source_sha256,
        },
        "parameters": dict(spec.parameters),
        "data": {
            "selections": [_relative(text, folder) for text in spec.data],
            "seed": spec.seed,
            "from": spec.start,
            "to": spec.end,
            "instrument": spec.instrument,
            "catalog": spec.catalog,
            "digest": spec.data_digest,
        },
        "options": options_as_written(spec.options),
        "result": {"digest": spec.result_digest},
    }
    lines = [
        "# Repeats this run: interlock backtest run.toml",
        f"format = {FORMAT}",
        f"interlock = {_value(version)}",
    ]
    for title, values in sections.items():
        kept = {key: value for key, value in values.items() if value not in ("", [])}
        if kept or title == "strategy":
            lines += ["", f"[{title}]"]
            lines += [f"{key} = {_value(value)}" for key, value in kept.items()]
    return "\n".join(lines) + "\n"


def read_run_file(path: Path) -> RunSpec:
    """A run file by hand or from a result folder; raises RunFileError."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunFileError(
            f"there is no file {path}; every result folder holds a run.toml"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunFileError(f"{path} is not TOML: {error}; correct that line") from None
    _check_words(path, content)
    strategy = _section(path, content, "strategy")
    data = _section(path, content, "data")
    reference = strategy.get("reference")
    if not isinstance(reference, str) or not reference:
        raise RunFileError(f'{path}: [strategy] needs reference = "path/to/file.py"')
    folder = path.absolute().parent
    selections = data.get("selections", [])
    if not isinstance(selections, list) or not all(isinstance(item, str) for item in selections):
        raise RunFileError(
            f'{path}: [data] selections={selections!r} must be a list such as ["ID"]'
        )
    seed = data.get("seed", 0)
    if type(seed) is not int:
        raise RunFileError(f"{path}: [data] seed={seed!r} must be a whole number")
    return RunSpec(
        strategy=_absolute(reference, folder),
        parameters=_section(path, content, "parameters"),
        data=tuple(_absolute(item, folder) for item in selections),
        seed=seed,
        start=_time(path, data, "from"),
        end=_time(path, data, "to"),
        instrument=_text(path, data, "instrument"),
        catalog=_text(path, data, "catalog"),
        options=read_options(_section(path, content, "options"), where=f"{path}: [options]"),
        source_sha256=_text(path, strategy, "source_sha256"),
        data_digest=_text(path, data, "digest"),
        result_digest=_text(path, _section(path, content, "result"), "digest"),
    )


def read_options(
    values: Mapping[str, Any], *, start: RunOptions | None = None, where: str = "option"
) -> RunOptions:
    """Run options by name over ``start``, with "off" for none; raises BacktestError."""
    known = RunOptions.__struct_fields__
    for name in values:
        if name not in known:
            raise BacktestError(f"{where} {name!r} is not known; there are: {', '.join(known)}")
    chosen = msgspec.to_builtins(start or RunOptions())
    chosen.update({name: _converted(name, value, where) for name, value in values.items()})
    _settle_slippage(chosen, values, where)
    try:
        return RunOptions(**chosen)
    except BacktestError as error:
        raise BacktestError(f"{where} {error}") from None


def _converted(name: str, value: Any, where: str) -> Any:
    """A value as the option has it: "off" is none, and text of a number or flag is read."""
    kind = _KINDS[name]
    is_optional = isinstance(None, kind)
    if value == OFF and is_optional:
        return None
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        wanted = next(word for known, word in _WORDS.items() if known in (kind, *get_args(kind)))
        off = " or off" if is_optional else ""
        raise BacktestError(f"{where} {name}={value!r} is not {wanted}{off}") from None


def _settle_slippage(chosen: dict[str, Any], values: Mapping[str, Any], where: str) -> None:
    """Let one half of the slippage that is named replace both of what it starts from."""
    model, is_rate_named = values.get("slippage"), "slippage_bps" in values
    if model is None and is_rate_named and chosen["slippage"] == "none":
        chosen["slippage"] = ""
    elif model == "none" and not is_rate_named:
        chosen["slippage_bps"] = 0.0
    elif model in SLIPPAGE and model != "none" and not chosen["slippage_bps"] and not is_rate_named:
        raise BacktestError(f"{where} slippage={model!r} needs its size; add slippage_bps=2")


def options_as_written(options: RunOptions) -> dict[str, Any]:
    """All options as TOML values; none is written as "off" where it is not the default."""
    found = msgspec.to_builtins(options)
    defaults = msgspec.to_builtins(RunOptions())
    return {
        name: OFF if value is None else value
        for name, value in found.items()
        if value is not None or defaults[name] is not None
    }


def with_recorded(
    spec: RunSpec, *, source_sha256: str, data_digest: str, result_digest: str
) -> RunSpec:
    """The same run with the digests of what it read and made."""
    return replace(
        spec, source_sha256=source_sha256, data_digest=data_digest, result_digest=result_digest
    )


def _check_words(path: Path, content: Mapping[str, Any]) -> None:
    if content.get("format", FORMAT) != FORMAT:
        raise RunFileError(
            f"{path} has format {content['format']!r}; this version reads {FORMAT}: "
            "run the backtest again"
        )
    for title, values in content.items():
        if title in ("format", "interlock"):
            continue
        if title not in _SECTIONS:
            raise RunFileError(
                f"{path}: {title!r} is not known; the sections are {', '.join(_SECTIONS)}"
            )
        allowed = _SECTIONS[title]
        if allowed is None or not isinstance(values, dict):
            continue
        for name in values:
            if name not in allowed:
                raise RunFileError(
                    f"{path}: [{title}] {name!r} is not known; there are: {', '.join(allowed)}"
                )


def _section(path: Path, content: Mapping[str, Any], title: str) -> dict[str, Any]:
    found = content.get(title, {})
    if not isinstance(found, dict):
        raise RunFileError(f"{path}: {title} must be a section; write [{title}] on its own line")
    return found


def _text(path: Path, section: Mapping[str, Any], name: str) -> str:
    found = section.get(name, "")
    if not isinstance(found, str):
        raise RunFileError(f"{path}: {name}={found!r} must be text in quotes")
    return found


def _time(path: Path, section: Mapping[str, Any], name: str) -> str:
    """A time as text; TOML's own dates need no quotes."""
    found = section.get(name, "")
    return found.isoformat() if hasattr(found, "isoformat") else _text(path, section, name)


def _absolute(text: str, folder: Path) -> str:
    """A path in a run file counts from the file; other references stay as they are."""
    place = text.partition(":")[0] if ".py" in text else text
    if "/" not in place and not (folder / place).is_file():
        return text
    return os.path.normpath(folder / text)


def _relative(text: str, folder: Path) -> str:
    project = folder.absolute().parent.parent
    if not os.path.isabs(text) or not Path(text).is_relative_to(project):
        return text
    return os.path.relpath(text, folder.absolute())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return repr(value)
