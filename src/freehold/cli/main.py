"""The commands. Each reads its options, asks the rooms, and prints; `--json` prints for programs."""

import os
import sys

import click

from freehold.cli.check import check
from freehold.cli.inferences import explain_command, inferences
from freehold.cli.keys import keys
from freehold.cli.ledger import rebuild, verify_command
from freehold.cli.simulate import simulate
from freehold.cli.up import up
from freehold.core.errors import FreeholdError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="freehold")
def commands() -> None:
    """Own your AI: one endpoint in front of every model, governed, routed and recorded."""


for command in (up, check, keys, inferences, explain_command, verify_command, rebuild, simulate):
    commands.add_command(command)


def main() -> None:
    """The entry point: what is wrong is one message, not a traceback."""
    try:
        commands(prog_name="freehold", standalone_mode=False)
        sys.stdout.flush()  # here, where a reader that has left is no error
    except FreeholdError as error:
        print(f"freehold: {error.message}", file=sys.stderr)
        raise SystemExit(1) from None
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
    except (click.Abort, KeyboardInterrupt):
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
