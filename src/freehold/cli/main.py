"""The commands. Each reads its options, asks the rooms, and prints; `--json` prints for programs."""

import os
import sys

import click

from freehold.app.on_demand import on_demand
from freehold.cli.check import check
from freehold.cli.inferences import explain_command, inferences
from freehold.cli.keys import keys
from freehold.cli.ledger import rebuild, verify_command
from freehold.cli.simulate import simulate
from freehold.cli.up import up
from freehold.core.errors import FreeholdError

LATER = {
    "batches": "freehold.cli.batches:batches",
    "connect": "freehold.cli.connect:connect",
    "breakeven": "freehold.cli.breakeven:breakeven",
    "models": "freehold.cli.models:models",
    "catalog": "freehold.cli.catalog:catalog",
    "datasets": "freehold.cli.datasets:datasets",
    "feedback": "freehold.cli.datasets:feedback",
    "consents": "freehold.cli.withdrawal:consents",
    "terms": "freehold.cli.withdrawal:terms",
    "retune": "freehold.cli.withdrawal:retune",
    "tune": "freehold.cli.tune:tune",
    "evaluate": "freehold.cli.tune:evaluate",
    "swap": "freehold.cli.tune:swap",
    "rollout": "freehold.cli.rollout:rollout",
    "lineage": "freehold.cli.rollout:lineage",
    "jobs": "freehold.cli.jobs:jobs",
    "worker": "freehold.cli.jobs:worker",
}
"""Commands that are imported where somebody uses them: they bring numbers and jobs, which a gateway goes without."""


class Commands(click.Group):
    """The commands; those of `LATER` are imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *LATER})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in LATER:
            return on_demand(*LATER[cmd_name].split(":"))
        return super().get_command(ctx, cmd_name)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
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
