"""The strategies of a captured run, made again from the source that was sealed with it."""

from __future__ import annotations

import hashlib
import linecache
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import msgspec

from interlock.incidents.contents import IncidentError
from interlock.live.targets import LiveTarget
from interlock.live.terms import MemberTerms, Terms
from interlock.research.loading import AnyStrategy, StrategyClass, load_strategy, make
from interlock.runtime.recovery import Member
from interlock.strategy.api import Strategy, TargetStrategy

_MAIN = "__main__"
_WAYS = ("utf-8", "utf-8-sig")


class Code(msgspec.Struct, frozen=True):
    """The class of a member, the module that defines it, and whether it is the sealed one."""

    terms: MemberTerms
    kind: StrategyClass
    module: ModuleType
    is_sealed: bool

    def made(self, values: Mapping[str, Any]) -> AnyStrategy:
        """The strategy with the recorded parameters, ``values`` in place of those they name."""
        known = self.kind.parameters
        recorded = {
            name: _number(value) if known[name].type is float else value
            for name, value in self.terms.parameters.items()
            if name in known
        }
        return make(self.kind, {**recorded, **values})

    def member(self, values: Mapping[str, Any], capital: int) -> Member:
        """The member as the live engine had it."""
        made = self.made(values)
        if isinstance(made, TargetStrategy):
            return Member(self.terms.name, LiveTarget(made, step_ns=self.terms.step_ns), capital)
        return Member(self.terms.name, made, capital)


def _number(value: Any) -> Any:
    """A recorded number, infinite ones from their text; what is none is left to the parameter."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


@contextmanager
def codes(terms: Terms, replacement: str = "") -> Iterator[Sequence[Code]]:
    """The classes of a run's members. ``replacement`` names another strategy for the only one.

    While the context lasts, the recorded names of their modules lead to them: what a strategy kept
    in a snapshot is found there. Raises IncidentError, and what a strategy's own code raises.
    """
    before = dict(sys.modules)
    try:
        modules: dict[tuple[str, str], ModuleType] = {}
        if replacement:
            yield _replaced(terms, replacement)
        else:
            yield [_sealed(member, modules) for member in terms.members]
    finally:
        for member in terms.members:
            for name in {member.module, _module_name(member)}:
                sys.modules.pop(name, None)
                if name in before:
                    sys.modules[name] = before[name]


def _replaced(terms: Terms, reference: str) -> list[Code]:
    if len(terms.members) != 1:
        names = ", ".join(member.name for member in terms.members)
        raise IncidentError(
            f"--strategy replaces one strategy, the run has {len(terms.members)}: {names}"
        )
    member = terms.members[0]
    kind = load_strategy(reference).kind
    if issubclass(kind, TargetStrategy) is not member.is_target:
        raise IncidentError(
            f"{reference} is {_form(issubclass(kind, TargetStrategy))} and the run traded "
            f"{_form(member.is_target)}, {member.reference}; compare strategies of one form"
        )
    module = sys.modules[kind.__module__]
    sys.modules[member.module] = module
    return [Code(member, kind, module, False)]


def _form(is_target: bool) -> str:
    return "a target strategy" if is_target else "an event strategy"


def _sealed(member: MemberTerms, modules: dict[tuple[str, str], ModuleType]) -> Code:
    """The class of a member; members of one module share it, as they did."""
    if not member.source:
        raise IncidentError(
            f"the source of {member.reference} is not in the file: its class was not defined in a "
            "file; name it with --strategy"
        )
    # A file may begin with a mark of its encoding, which the text does not hold.
    digests = [hashlib.sha256(member.source.encode(way)).hexdigest() for way in _WAYS]
    if member.source_sha256 not in digests:
        raise IncidentError(f"the source of {member.reference} does not match its SHA-256")
    key = (member.module, member.source_sha256)
    module = modules.get(key) or _executed(member)
    modules[key] = module
    found: Any = module
    for part in member.kind.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type) or not issubclass(found, Strategy | TargetStrategy):
        raise IncidentError(
            f"{member.reference} is not to be found in its source: it was made within a function; "
            "name it with --strategy"
        )
    return Code(member, found, module, True)


def _executed(member: MemberTerms) -> ModuleType:
    """The module of a member, run from its sealed text under its recorded name."""
    name = _module_name(member)
    module = ModuleType(name)
    module.__package__ = name.rpartition(".")[0]
    module.__file__ = file = f"sealed {member.reference}"
    # So that a traceback shows its lines, which are in no file here.
    lines = member.source.splitlines(keepends=True)
    linecache.cache[file] = (len(member.source), None, lines, file)
    sys.modules[name] = sys.modules[member.module] = module
    try:
        exec(compile(member.source, file, "exec"), module.__dict__)
    except ImportError as error:
        raise IncidentError(
            f"{member.reference} imports what is not here: {error}. Only the file that defines the "
            "strategy is sealed; install what it imports, or put it on PYTHONPATH"
        ) from error
    return module


def _module_name(member: MemberTerms) -> str:
    """A script runs as __main__; here it must not."""
    return "interlock_incident_script" if member.module == _MAIN else member.module
