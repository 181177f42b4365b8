"""Fault scripts on disk: YAML or JSON, read and checked whole."""

from __future__ import annotations

from pathlib import Path

import yaml

from interlock.sim.faults import Script, ScriptError, parse


def read_script(path: Path) -> Script:
    """The script in a file; raises ScriptError with the file's name, and OSError."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())
        raise ScriptError(f"{path} is no YAML: {said}; see docs/venue.md for scripts") from None
    try:
        return parse(content)
    except ScriptError as error:
        raise ScriptError(f"{path}: {error}") from None
