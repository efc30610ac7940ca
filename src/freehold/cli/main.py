"""The commands. Each reads its options, asks the rooms, and prints; `--json` prints for programs."""

import os
import sys
from pathlib import Path

import click

from freehold.cli.context import SETTINGS
from freehold.cli.inferences import explain_command, inferences, rebuild, verify_command
from freehold.cli.keys import keys
from freehold.cli.up import simulate, up
from freehold.core.errors import FreeholdError
from freehold.settings.book import Book
from freehold.settings.load import load
from freehold.settings.resolve import resolve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="freehold")
def commands() -> None:
    """Own your AI: one endpoint in front of every model, governed, routed and recorded."""


@commands.command()
@SETTINGS
def check(settings: Path | None) -> None:
    """Validate the settings and say what they serve."""
    whole = resolve(load(settings, os.environ))
    book = Book(whole)
    served = f"{len(book.deployments)} deployments, {len(whole.routes)} routes"
    print(f"Settings are right: {served}. Digest {book.digest[:12]}")


for command in (up, simulate, keys, inferences, explain_command, verify_command, rebuild):
    commands.add_command(command)


def main() -> None:
    """The entry point: what is wrong is one message, not a traceback."""
    try:
        commands(standalone_mode=False)
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
