"""`interlock control VERB`: pause, halt, resume, shut down, stop or reconcile a running engine."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import click

from interlock.cli.door import state_option
from interlock.ui.terminal.verbs import VERBS, Verb

WAIT_S = 60.0


class ByStrength(click.Group):
    """A group whose verbs stand from weak to strong."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)


@click.group(cls=ByStrength, short_help="Pause, halt, shut down or stop a running engine.")
def control() -> None:
    """Tell a running engine what to do; each verb is a row of its ledger with who and why.

    From weak to strong: pause, halt, shutdown, emergency-stop. A weaker one never undoes a
    stronger one.

    \b
    Exit codes: 0 done, 1 refused by the engine, 2 command line, 3 no engine listens,
    4 taken but not finished in time, 5 emergency stop NOT verified flat, 130 interrupted.
    """


def _options(verb: Verb) -> list[Callable[..., Any]]:
    options = [
        state_option,
        click.option("--reason", default="", metavar="TEXT", help="Why; goes to the ledger."),
        click.option(
            "--wait", is_flag=True, help="Wait until it is done, not only taken."
        ) if verb.name != "emergency-stop" else None,
        click.option(
            "--timeout",
            type=click.FloatRange(0, min_open=True),
            default=WAIT_S,
            show_default=True,
            metavar="SECONDS",
            help="How long to wait; the engine goes on by itself.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
    ]  # fmt: skip
    if not verb.is_whole and verb.name != "reconcile":
        scope = "Only this instrument or strategy."
        options.append(click.option("--scope", default="", metavar="NAME", help=scope))
    if verb.name == "emergency-stop":
        account = "Name of the account, instead of typing it."
        options.append(click.option("--account", default="", metavar="NAME", help=account))
    return [option for option in options if option is not None]


def _command(verb: Verb) -> click.Command:
    def run(**options: Any) -> None:
        from interlock.cli.control_run import Order, carry_out

        reason = options["reason"].strip() or _asked("reason", "--reason TEXT")
        order = Order(
            verb=verb,
            reason=reason,
            scope=options.get("scope", ""),
            account=options.get("account", ""),
            is_waited=options.get("wait", True),
            timeout_s=options["timeout"],
            as_json=options["as_json"],
        )
        code = asyncio.run(carry_out(order, options["state"]))
        if code:
            sys.exit(code)

    lines = "\n".join(f"{what + ':':17}{does}" for what, does in verb.effects)
    run.__doc__ = f"{verb.summary}\n\n\b\n{lines}"
    decorated: Callable[..., Any] = run
    for option in reversed(_options(verb)):
        decorated = option(decorated)
    return click.command(verb.name, short_help=verb.summary)(decorated)


def _asked(what: str, option: str) -> str:
    if not sys.stdin.isatty():
        raise click.UsageError(f"a {what} is needed: {option}")
    typed: str = click.prompt(what.capitalize(), type=str)
    return typed.strip()


for _verb in VERBS.values():
    control.add_command(_command(_verb))
