"""Parameters of a call as the server reads them, refused in the venue's codes and words."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from interlock.model.units import UnitError, parse_units
from interlock.wire.binance import form

CLIENT_ID_RULE = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")
_COUNT = re.compile(r"[0-9]{1,18}")


class ApiFault(ValueError):
    """An answer that is an error: its code, its text and its HTTP status."""

    def __init__(self, code: int, text: str, status: int = 400) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.status = status


class Parameters:
    """Named texts. On a clash the query wins over the body."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    @classmethod
    def of(cls, query: bytes, body: bytes = b"") -> Parameters:
        """The parameters of a request."""
        return cls(dict([*form.read(body), *form.read(query)]))

    def __contains__(self, name: str) -> bool:
        return bool(self._values.get(name))

    def text(self, name: str, default: str = "") -> str:
        """A text, the default when it was not sent."""
        return self._values.get(name) or default

    def need(self, name: str) -> str:
        """A text that must be sent."""
        value = self._values.get(name)
        if not value:
            raise ApiFault(
                -1102,
                f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
            )
        return value

    def word(self, name: str, words: Collection[str], *, code: int, text: str) -> str:
        """One of the words of a list, or the error that belongs to the list."""
        value = self.need(name)
        if value not in words:
            raise ApiFault(code, text)
        return value

    def count(self, name: str, default: int = 0, *, least: int = 0, most: int = 2**62) -> int:
        """A whole number."""
        value = self._values.get(name)
        if not value:
            return default
        if not _COUNT.fullmatch(value):
            raise ApiFault(
                -1100,
                f"Illegal characters found in parameter '{name}'; "
                "legal range is '^[0-9]{1,20}$'.",
            )
        number = int(value)
        if not least <= number <= most:
            raise ApiFault(-1130, f"Data sent for parameter '{name}' is not valid.")
        return number

    def units(self, name: str, exponent: int) -> int:
        """Integer units of a decimal; 0 when it was not sent."""
        value = self._values.get(name)
        if not value:
            return 0
        if not _NUMBER.fullmatch(value):
            raise ApiFault(
                -1100,
                f"Illegal characters found in parameter '{name}'; legal range is "
                "'^([0-9]{1,20})(\\.[0-9]{1,20})?$'.",
            )
        try:
            return parse_units(value, exponent)
        except UnitError:
            raise ApiFault(-1111, "Precision is over the maximum defined for this asset.") from None

    def flag(self, name: str) -> bool:
        """A truth value, false when it was not sent."""
        value = self._values.get(name, "").lower()
        if value not in ("", "true", "false"):
            raise ApiFault(-1130, f"Data sent for parameter '{name}' is not valid.")
        return value == "true"

    def client_id(self, name: str) -> str:
        """A client order id by the venue's rule, empty when it was not sent."""
        value = self._values.get(name, "")
        if len(value) > 36:
            raise ApiFault(-4015, "Client order id length should not be more than 36 chars.")
        if value and not _CLIENT_ID.fullmatch(value):
            raise ApiFault(
                -1100,
                f"Illegal characters found in parameter '{name}'; legal range is "
                f"'{CLIENT_ID_RULE}'.",
            )
        return value
