"""The demo: the support inbox of an invented bank goes through Freehold, by the OpenAI SDK. No key, no network.

First three simulated deployments, three routes, and an outage in the middle; then (see `loop`) the traffic becomes a
model of our own. Everything that is shown is read from the ledger and checked; what is not true makes the demo fail.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import openai
from rich.console import Console
from rich.live import Live
from rich.progress import track

from demo import board, loop, real
from demo.asking import ask
from demo.closing import close
from demo.desk import month, own
from demo.gateway import DemoFailed, Gateway, freehold, prepare, running
from demo.inbox import Message, inbox
from demo.tally import REAL, Tally

INTRODUCTION = """\
{:,} messages in {} languages, sent by the OpenAI SDK to a gateway at {}.
  chat     is streamed back by the cheapest deployment
  letters  are read into fields by a JSON schema, where price, speed and quality balance
  urgent   messages go to the best
The deployments are simulated: each knows the answers and errs as often as its settings say.
Halfway, the provider of swift goes down for a while.
{}
"""
CLIENTS = 16
BUDGET = "2.00"
OUTAGE = (0.35, 0.65)
"""Between these shares of the messages swift's provider is down."""


def main() -> int:
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    try:
        if options.data is not None:
            return loop.story(console, own(options.data), options.folder)
        failed = story(console, inbox()[: options.messages], options.folder, options.real)
        return failed if options.messages else failed or loop.story(console, month(), options.folder)
    except DemoFailed as error:
        console.print(f"The demo failed: {error}", style="bold red", markup=False)
        return 1
    except KeyboardInterrupt:
        return 130


def story(console: Console, messages: list[Message], folder: Path, model: str | None) -> int:
    """From an empty folder to a checked ledger; 0 where all that was shown is true."""
    settings = prepare(folder, messages, more=real.tables(model) if model else "")
    routes = [option for route in ("chat", "letters", "urgent", REAL) for option in ("--route", route)]
    made = freehold(settings, "keys", "create", "inbox", "--team", "support", "--budget", BUDGET, *routes, "--json")

    console.rule("[bold]The inbox of Marlow Quay, an invented bank")
    with running(settings) as gateway:
        leaves = f"At the end, 24 go to {model}, which is real." if model else "Nothing leaves this machine."
        languages = {message.language for message in messages}
        console.print(INTRODUCTION.format(len(messages), len(languages), gateway.base_url, leaves))
        tally = Tally(settings)
        with openai.OpenAI(
            base_url=gateway.base_url,
            api_key=json.loads(made)["secret"],
            max_retries=0,  # that is the gateway's work
            http_client=openai.DefaultHttpxClient(trust_env=False),  # no proxy is needed to this machine
        ) as client:
            answer_all(console, client, gateway, messages, tally)
            for message in track(real.share(messages), f"asking {model}", console=console) if model else ():
                tally.real.append(ask(client, message, route=REAL, max_tokens=real.MAX_TOKENS))
    tally.follow()
    return close(console, tally, messages, settings)


def answer_all(
    console: Console, client: openai.OpenAI, gateway: Gateway, messages: list[Message], tally: Tally
) -> None:
    """Ask about every message, some at a time, while swift's provider goes down and comes back."""
    total, begun, drawn, note = len(messages), time.monotonic(), 0.0, ""
    down, up = (int(total * share) for share in OUTAGE)
    pool = ThreadPoolExecutor(CLIENTS)
    try:
        with Live(console=console, auto_refresh=False) as live:
            for future in as_completed([pool.submit(ask, client, message) for message in messages]):
                tally.answers.append(future.result())
                done = len(tally.answers)
                if done in (down, up):
                    gateway.outage(on=done == down)
                    note = "[bold red]swift-lab is down" if done == down else "[green]swift-lab is back"
                if (seconds := time.monotonic() - begun) - drawn > 0.1 or done == total:
                    drawn = seconds
                    tally.follow()
                    now = board.board(tally, total=total, seconds=seconds, note=note, width=console.width)
                    live.update(now, refresh=True)
    finally:
        pool.shutdown(cancel_futures=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--messages", type=int, default=None, help="only the first story, with so many messages")
    parser.add_argument("--data", type=Path, help="the second story on your own CSV file with the columns text,label")
    parser.add_argument("--folder", type=Path, default=Path("freehold-demo"), help="where settings and data stay")
    parser.add_argument("--real", metavar="PROVIDER/MODEL", help="a real model for 24 of the messages; may cost money")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
