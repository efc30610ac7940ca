"""Exposition: the metrics as Prometheus reads them. Loaded when somebody asks, for what it brings along.

Names follow the OpenTelemetry GenAI conventions where there is one, in Prometheus spelling.
"""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from freehold.gateway.metrics import BUCKETS, Metrics

NAMES = ["route", "deployment"]


def page(metrics: Metrics) -> bytes:
    """The text exposition format, version 0.0.4."""
    registry = CollectorRegistry()
    registry.register(_Told(metrics))
    return generate_latest(registry)


class _Told(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        metrics = self._metrics
        outcomes = CounterMetricFamily(
            "freehold_inferences", "Inferences by how they ended", labels=[*NAMES, "outcome"]
        )
        tokens = CounterMetricFamily("freehold_tokens", "Tokens", labels=[*NAMES, "kind"])
        cost = CounterMetricFamily("freehold_cost_nano_usd", "Cost in nano-dollars", labels=NAMES)
        duration = HistogramMetricFamily(
            "freehold_inference_duration_seconds", "Request to end of answer", labels=NAMES
        )
        ttft = HistogramMetricFamily("freehold_time_to_first_token_seconds", "Request to first content", labels=NAMES)
        for labels, series in metrics.series.items():
            for outcome, count in series.outcomes.items():
                outcomes.add_metric([*labels, outcome], count)
            tokens.add_metric([*labels, "input"], series.input)
            tokens.add_metric([*labels, "output"], series.output)
            cost.add_metric(labels, series.cost)
            duration.add_metric(labels, _cumulated(series.durations), series.seconds)
            ttft.add_metric(labels, _cumulated(series.ttfts), series.ttft_seconds)
        yield from (outcomes, tokens, cost, duration, ttft)
        refused = CounterMetricFamily("freehold_unauthenticated", "Requests without a valid key")
        refused.add_metric([], metrics.unauthenticated)
        bad = CounterMetricFamily("freehold_bad_connections", "Connections closed for breaking HTTP or a time limit")
        bad.add_metric([], metrics.bad_connections)
        yield from (refused, bad)
        for name, (help_, read) in metrics.gauges.items():
            yield GaugeMetricFamily(name, help_, read())


def _cumulated(counts: list[int]) -> list[tuple[str, float]]:
    """Cumulative buckets, as Prometheus wants them."""
    total = 0
    out: list[tuple[str, float]] = []
    for bound, count in zip((*BUCKETS, float("inf")), counts, strict=True):
        total += count
        out.append(("+Inf" if bound == float("inf") else str(bound), total))
    return out
