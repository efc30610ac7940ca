"""Metrics: plain counters on the hot path, given to Prometheus only when it asks.

Names follow the OpenTelemetry GenAI conventions where there is one, in Prometheus spelling.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import CollectorRegistry

from freehold.core.inference import Inference

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Seconds."""


class _Series:
    """What one route and deployment did."""

    __slots__ = ("cost", "durations", "input", "output", "seconds", "ttft_seconds", "ttfts")

    def __init__(self) -> None:
        self.durations = [0] * (len(BUCKETS) + 1)
        self.ttfts = [0] * (len(BUCKETS) + 1)
        self.seconds = self.ttft_seconds = 0.0
        self.input = self.output = self.cost = 0


class Metrics:
    """Counts what happened. Series are bounded: a route or deployment beyond the first 1,000 is counted as 'other'."""

    def __init__(self) -> None:
        self._outcomes: dict[tuple[str, str, str], int] = {}
        self._series: dict[tuple[str, str], _Series] = {}
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self.count = 0
        self.unauthenticated = 0
        self.bad_connections = 0
        self._registry = CollectorRegistry()
        self._registry.register(self)  # type: ignore[arg-type]

    def gauge(self, name: str, help_: str, read: Callable[[], float]) -> None:
        """A value read when Prometheus asks."""
        self._gauges[name] = (help_, read)

    def ended(self, inference: Inference) -> None:
        self.count += 1
        deployment = inference.deployment or ""
        names = (inference.route, deployment)
        series = self._series.get(names)
        if series is None:
            if len(self._series) >= 1000:
                names = ("other", "other")
            series = self._series.setdefault(names, _Series())
        outcome = (names[0], names[1], inference.outcome)
        self._outcomes[outcome] = self._outcomes.get(outcome, 0) + 1
        seconds = inference.duration / 1e9
        series.seconds += seconds
        series.durations[bisect_left(BUCKETS, seconds)] += 1
        if inference.ttft is not None:
            first = inference.ttft / 1e9
            series.ttft_seconds += first
            series.ttfts[bisect_left(BUCKETS, first)] += 1
        if inference.usage is not None:
            series.input += inference.usage.input_tokens
            series.output += inference.usage.output_tokens
        series.cost += inference.cost or 0

    def collect(self) -> Iterator[Metric]:
        """The Prometheus view; called by its registry."""
        outcomes = CounterMetricFamily(
            "freehold_inferences", "Inferences by how they ended", labels=["route", "deployment", "outcome"]
        )
        for labels, count in self._outcomes.items():
            outcomes.add_metric(labels, count)
        yield outcomes
        names = ["route", "deployment"]
        tokens = CounterMetricFamily("freehold_tokens", "Tokens", labels=[*names, "kind"])
        cost = CounterMetricFamily("freehold_cost_nano_usd", "Cost in nano-dollars", labels=names)
        duration = HistogramMetricFamily(
            "freehold_inference_duration_seconds", "Request to end of answer", labels=names
        )
        ttft = HistogramMetricFamily("freehold_time_to_first_token_seconds", "Request to first content", labels=names)
        for labels, series in self._series.items():
            tokens.add_metric([*labels, "input"], series.input)
            tokens.add_metric([*labels, "output"], series.output)
            cost.add_metric(labels, series.cost)
            duration.add_metric(labels, _cumulated(series.durations), series.seconds)
            ttft.add_metric(labels, _cumulated(series.ttfts), series.ttft_seconds)
        yield from (tokens, cost, duration, ttft)
        refused = CounterMetricFamily("freehold_unauthenticated", "Requests without a valid key")
        refused.add_metric([], self.unauthenticated)
        bad = CounterMetricFamily("freehold_bad_connections", "Connections closed for breaking HTTP or a time limit")
        bad.add_metric([], self.bad_connections)
        yield from (refused, bad)
        for name, (help_, read) in self._gauges.items():
            yield GaugeMetricFamily(name, help_, read())

    def page(self) -> bytes:
        """The text exposition format, version 0.0.4."""
        return generate_latest(self._registry)


def _cumulated(counts: list[int]) -> list[tuple[str, float]]:
    """Cumulative buckets, as Prometheus wants them."""
    total = 0
    out: list[tuple[str, float]] = []
    for bound, count in zip((*BUCKETS, float("inf")), counts, strict=True):
        total += count
        out.append(("+Inf" if bound == float("inf") else str(bound), total))
    return out
