"""The keys of the screen: a key names a verb, which asks a reason, the strongest a name as well."""

from __future__ import annotations

from typing import NamedTuple

from interlock.ui.terminal.verbs import VERBS, Verb

LEAVE = "leave"
REASON_MOST = 200
_ENTER, _ESCAPE, _ERASE, _CLEAR, _END = "\r\n", "\x1b", "\x7f\x08", "\x15", "\x03\x04"
_KEYS = {verb.key: verb for verb in VERBS.values() if verb.key}


class Wish(NamedTuple):
    """What the person at the keys decided: a verb with its reason, or to leave."""

    verb: str
    reason: str = ""


class Prompt:
    """Hears what is typed. Nothing is wished for before Enter; Esc takes everything back."""

    def __init__(self) -> None:
        self.verb: Verb | None = None
        self.typed = ""
        self.said = ""
        self._is_named = False

    def hear(self, text: str, account: str) -> Wish | None:
        """Take in what a terminal sent in one piece; a wish when it completes one."""
        if len(text) > 1 and text[0] == _ESCAPE:
            # Arrows and the like arrive in one piece.
            return None
        for key in text:
            wish = self._key(key, account)
            if wish is not None:
                return wish
        return None

    def _key(self, key: str, account: str) -> Wish | None:
        if key in _END:
            return Wish(LEAVE)
        if self.verb is None:
            return self._choose(key)
        if key == _ESCAPE:
            self._back(f"{self.verb.name}: taken back, nothing was sent")
        elif key in _ERASE:
            self.typed = self.typed[:-1]
        elif key == _CLEAR:
            self.typed = ""
        elif key in _ENTER:
            return self._enter(self.verb, account)
        elif key.isprintable() and len(self.typed) < REASON_MOST:
            self.typed += key
        return None

    def _choose(self, key: str) -> Wish | None:
        if key == "q":
            return Wish(LEAVE)
        self.said = ""
        self.verb = _KEYS.get(key)
        self._is_named = self.verb is not None and self.verb.name != "emergency-stop"
        return None

    def _enter(self, verb: Verb, account: str) -> Wish | None:
        typed, self.typed = self.typed.strip(), ""
        if not self._is_named:
            if typed == account:
                self._is_named = True
            else:
                self._back(f"{verb.name}: {typed!r} is not {account!r}; nothing was sent")
            return None
        if not typed:
            self.said = "a reason is needed: it goes to the ledger"
            return None
        self._back("")
        return Wish(verb.name, typed)

    def _back(self, said: str) -> None:
        self.verb, self.typed, self.said = None, "", said

    def footer(self, account: str) -> list[str]:
        """The lines at the bottom: the keys, or the question."""
        if self.verb is None:
            keys = "  ".join(f"{verb.key} {_shown(verb)}" for verb in _KEYS.values())
            return [*([self.said] if self.said else []), f"{keys}  q leave"]
        question = "reason" if self._is_named else f"type {account} to go on"
        note = f" ({self.said})" if self.said else ""
        return [
            f"{self.verb.name}: {self.verb.summary} Enter sends, Esc takes back.{note}",
            f"{question}: {self.typed}_",
        ]


def _shown(verb: Verb) -> str:
    return verb.name.upper() if verb.name == "emergency-stop" else verb.name
