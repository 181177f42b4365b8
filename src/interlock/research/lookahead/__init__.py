"""Does a strategy use what it could not know: prefixes, poisoned futures, warm-up and a guard.

Limits. What is decided is compared on the data given and at the moments tried, so a strategy that
looks ahead only on other days, or that never trades here, is not caught. What a strategy reads from
elsewhere (its own files, a catalog, the network) or carries from one run to the next in module or
class variables does not change with the data; such readers are named as notes when the source
shows them. State that an event strategy keeps by hand has no warm-up test.
"""

from interlock.research.lookahead.checker import CheckOptions, check_strategy
from interlock.research.lookahead.verdict import Finding, Outcome, Verdict

__all__ = ["CheckOptions", "Finding", "Outcome", "Verdict", "check_strategy"]
