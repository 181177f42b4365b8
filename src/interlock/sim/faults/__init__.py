"""What the local exchange does wrong on purpose: a script of faults, and what it decides."""

from interlock.sim.faults.injector import Call, Delivery, Frame, Injector, RequestFault, Truth
from interlock.sim.faults.script import Rule, Script, ScriptError, parse

__all__ = [
    "Call",
    "Delivery",
    "Frame",
    "Injector",
    "RequestFault",
    "Rule",
    "Script",
    "ScriptError",
    "Truth",
    "parse",
]
