"""Metrics: plain counters on the hot path. `exposition` tells them to Prometheus when it asks."""

from bisect import bisect_left
from collections.abc import Callable

from freehold.core.inference import Inference

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Seconds."""


class Series:
    """What one route and deployment did."""

    __slots__ = ("cost", "durations", "input", "outcomes", "output", "seconds", "ttft_seconds", "ttfts")

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = {}
        self.durations = [0] * (len(BUCKETS) + 1)
        self.ttfts = [0] * (len(BUCKETS) + 1)
        self.seconds = self.ttft_seconds = 0.0
        self.input = self.output = self.cost = 0


class Metrics:
    """Counts what happened. Series are bounded: a route or deployment beyond the first 1,000 is counted as 'other'."""

    def __init__(self) -> None:
        self.series: dict[tuple[str, str], Series] = {}
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self.count = 0
        self.unauthenticated = 0
        self.bad_connections = 0

    def gauge(self, name: str, help_: str, read: Callable[[], float]) -> None:
        """A value read when Prometheus asks."""
        self.gauges[name] = (help_, read)

    def ended(self, inference: Inference) -> None:
        self.count += 1
        deployment = inference.deployment or ""
        names = (inference.route, deployment)
        series = self.series.get(names)
        if series is None:
            if len(self.series) >= 1000:
                names = ("other", "other")
            series = self.series.setdefault(names, Series())
        series.outcomes[inference.outcome] = series.outcomes.get(inference.outcome, 0) + 1
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
