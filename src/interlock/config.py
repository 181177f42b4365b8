"""Where Interlock keeps things: the only reader of the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class ConfigError(ValueError):
    """A setting that cannot be used."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Folders of one user: data and caches under ``home``, results where they were asked for."""

    home: Path
    catalog: Path
    cache: Path
    results: Path


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read INTERLOCK_HOME (default ~/.interlock); results go to ./results."""
    values = os.environ if environ is None else environ
    text = values.get("INTERLOCK_HOME", "")
    home = Path(text).expanduser() if text else Path.home() / ".interlock"
    if home.exists() and not home.is_dir():
        raise ConfigError(
            f"INTERLOCK_HOME {home} is a file; name a folder that Interlock may create or use"
        )
    home = home.absolute()
    return Settings(home, home / "catalog", home / "cache", Path("results").absolute())
