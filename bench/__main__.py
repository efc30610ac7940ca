"""make bench: Freehold with everything on, a naive proxy and direct access, in one run.

A key with scopes, rates and a budget, the ledger and the metrics are on, as in service. What is measured runs on one
core; the mock upstream and the load generator (C, compiled on the spot) run on another. A wrong answer ends the bench
with an error; a figure that misses what it must be is only said, since the machine has its part in it.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from rich.console import Console

from bench import measures
from bench.asks import CHUNKS, asks
from bench.figures import Figure
from bench.measures import CHUNKS_A_SECOND, Bench
from bench.report import table
from bench.servers import Target, site

SIDE_BY_SIDE: Mapping[str, Callable[[Bench, Target, Target], Iterator[Figure]]] = {
    "throughput": measures.throughput,
    "latency": measures.latency,
    "streams": measures.streams,
    "translated": measures.translated,
    "bodies": measures.bodies,
}
"""Measured on one running Freehold and one running naive proxy."""

WIDTH = 130
"""Columns that the table takes at least."""

FRESH: Mapping[str, Callable[[Bench], Iterator[Figure]]] = {"memory": measures.memory, "start": measures.start}
"""Measured on processes of their own."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds, for a first look")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--only", action="append", choices=[*SIDE_BY_SIDE, *FRESH], help="measure only this; repeatable"
    )
    options = parser.parse_args()
    wanted: list[str] = options.only or [*SIDE_BY_SIDE, *FRESH]
    console = Console(stderr=True, highlight=False)
    with TemporaryDirectory(prefix="freehold-bench-") as folder, console.status("Starting") as status:

        def told(line: str) -> None:
            status.update(line)
            if not console.is_terminal:
                console.print(line, markup=False)

        with site(Path(folder), chunks=CHUNKS, interval_ms=1000 // CHUNKS_A_SECOND) as here:
            bench = Bench(
                site=here,
                asks=asks(Path(folder)),
                rounds=2 if options.quick else 5,
                seconds=0.7 if options.quick else 2.0,
                told=told,
            )
            figures = list(measured(bench, wanted))
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(figures), indent=2).decode())
    else:
        shown = Console(highlight=False)
        Console(highlight=False, width=max(shown.width, WIDTH)).print(table(figures))


def measured(bench: Bench, wanted: list[str]) -> Iterator[Figure]:
    """The figures, subject by subject."""
    together = [SIDE_BY_SIDE[name] for name in wanted if name in SIDE_BY_SIDE]
    if together:
        home = bench.site.prepare("together")
        with bench.site.naive() as naive, bench.site.freehold(home) as freehold:
            for measure in together:
                yield from measure(bench, freehold, naive)
    for name in wanted:
        if name in FRESH:
            yield from FRESH[name](bench)


if __name__ == "__main__":
    main()
