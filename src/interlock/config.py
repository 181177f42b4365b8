"""Where Interlock keeps things: the only reader of the environment."""

from __future__ import annotations

import os
import pwd
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


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """Keys of a venue account, from the environment only: never from a file that is committed.

    ``key`` and ``secret`` sign for Binance and most venues, ``wallet_key`` for Hyperliquid. They
    have no readable form: printing them shows which are set.
    """

    key: str
    secret: str
    wallet_key: str

    def __repr__(self) -> str:
        held = [name for name in ("key", "secret", "wallet_key") if getattr(self, name)]
        return f"Secrets({', '.join(held) or 'none'} set)"


def secrets(environ: Mapping[str, str] | None = None) -> Secrets:
    """Read INTERLOCK_KEY, INTERLOCK_SECRET and INTERLOCK_WALLET_KEY; empty where unset."""
    values = os.environ if environ is None else environ
    return Secrets(
        values.get("INTERLOCK_KEY", "").strip(),
        values.get("INTERLOCK_SECRET", "").strip(),
        values.get("INTERLOCK_WALLET_KEY", "").strip(),
    )


def operator(environ: Mapping[str, str] | None = None) -> str:
    """Who acts, for the record of commands: INTERLOCK_ACTOR, else the login name of the process."""
    values = os.environ if environ is None else environ
    named = values.get("INTERLOCK_ACTOR") or values.get("USER") or values.get("LOGNAME")
    if named:
        return named
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        # Containers run under numbers that have no name.
        return f"uid {os.getuid()}"
