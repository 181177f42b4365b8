"""Does a strategy use what it could not know: prefixes, poisoned futures, warm-up and a guard."""

from interlock.research.lookahead.checker import CheckOptions, check_strategy
from interlock.research.lookahead.verdict import Finding, Outcome, Verdict

__all__ = ["CheckOptions", "Finding", "Outcome", "Verdict", "check_strategy"]
