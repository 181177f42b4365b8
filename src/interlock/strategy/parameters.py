"""Typed, validated strategy parameters: declared once, checked at construction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, get_type_hints

from interlock.model.units import UnitError

_MISSING: Any = object()
_TYPES: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
}


class ParameterError(ValueError):
    """A parameter that is missing, unknown, of the wrong type or out of range."""


class Parameter:
    """One declared parameter: default, inclusive bounds or choices, and a sentence."""

    def __init__(
        self, default: Any, low: Any, high: Any, *, choices: Sequence[Any] | None, text: str
    ) -> None:
        self.default = default
        self.low = low
        self.high = high
        self.choices = tuple(choices) if choices is not None else None
        self.text = text
        self.type: type = type(default)
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def check(self, owner: str, value: Any) -> Any:
        """The value in its declared type, or an error that names the rule."""
        if self.type is float and type(value) is int:
            value = float(value)
        if type(value) is not self.type:
            raise ParameterError(
                f"{owner}: parameter {self.name}={value!r} must be {self.type_text()}"
            )
        if self.choices is not None and value not in self.choices:
            raise ParameterError(
                f"{owner}: parameter {self.name}={value!r} must be one of {list(self.choices)}"
            )
        too_low = self.low is not None and not value >= self.low
        too_high = self.high is not None and not value <= self.high
        if too_low or too_high or value != value:
            raise ParameterError(
                f"{owner}: parameter {self.name}={value!r} is outside {self.range_text()}; "
                "choose a value inside"
            )
        return value

    def type_text(self) -> str:
        """The type of the values in words."""
        return _TYPES[self.type]

    def range_text(self) -> str:
        """The allowed values as text."""
        if self.choices is not None:
            return f"{list(self.choices)}"
        low = "-inf" if self.low is None else self.low
        high = "inf" if self.high is None else self.high
        return f"[{low}, {high}]"


def param(
    default: Any,
    low: Any = None,
    high: Any = None,
    *,
    choices: Sequence[Any] | None = None,
    text: str = "",
) -> Any:
    """Declare a parameter: ``fast: int = param(20, low=2, high=400)``."""
    return Parameter(default, low, high, choices=choices, text=text)


class Parametrized:
    """Collects the declared parameters of a class and sets them from keywords."""

    parameters: ClassVar[dict[str, Parameter]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        found = dict(cls.parameters)
        own = {key: item for key, item in vars(cls).items() if isinstance(item, Parameter)}
        hints = _hints(cls) if own else {}
        for key, item in own.items():
            declared = hints.get(key, item.type)
            if declared not in _TYPES:
                raise ParameterError(
                    f"{cls.__name__}.{key}: type {declared!r} is not one of bool, int, float, str"
                )
            item.type = declared
            item.default = item.check(cls.__name__, item.default)
            found[key] = item
        cls.parameters = found

    def __init__(self, **values: Any) -> None:
        name = type(self).__name__
        for key in values:
            if key not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                raise ParameterError(f"{name} has no parameter {key!r}; it has: {known}")
        for key, item in self.parameters.items():
            setattr(self, key, item.check(name, values.get(key, item.default)))

    def parameter_values(self) -> dict[str, Any]:
        """The values in force, by name, in the order of declaration."""
        return {key: getattr(self, key) for key in self.parameters}


def parse_parameter(item: Parameter, text: str) -> Any:
    """The value of a parameter given as text on a command line."""
    try:
        if item.type is bool:
            return {"true": True, "false": False}[text.lower()]
        return item.type(text)
    except (ValueError, KeyError, UnitError):
        message = f"parameter {item.name}={text!r} must be {item.type_text()}"
        is_open = item.choices is None and item.low is None and item.high is None
        allowed = "" if is_open else f"; allowed: {item.range_text()}"
        raise ParameterError(message + allowed) from None


def _hints(cls: type) -> dict[str, Any]:
    try:
        return get_type_hints(cls)
    except NameError:
        return {}
