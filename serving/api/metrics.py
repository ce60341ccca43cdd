"""Figures of a running service for Prometheus. Follows https://prometheus.io/docs/practices/naming."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector, disable_created_metrics, generate_latest

from serving.collections import LoadName

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The figures of one service. No label holds what a client chose."""

    def __init__(self) -> None:
        disable_created_metrics()  # of each series when it began, which nobody asks
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self.requests = Counter("kindred_requests", "Requests answered.", ("route", "status"), registry=self._registry)
        self.seconds = Histogram("kindred_request_seconds", "Seconds of a request.", ("route",), buckets=SECONDS, registry=self._registry)
        self.in_flight = Gauge("kindred_requests_in_flight", "Requests that are being answered.", registry=self._registry)
        self.encoder_seconds = Histogram("kindred_encoder_seconds", "Seconds of one turn of the encoder.", buckets=SECONDS, registry=self._registry)
        self.index_up = Gauge("kindred_index_up", "1 while there is a load to answer from and Milvus answers.", registry=self._registry)
        self._switches = Counter("kindred_index_switches", "Loads that were taken up.", registry=self._registry)
        self._loaded_at = Gauge("kindred_index_loaded_timestamp_seconds", "When the load that is served was begun.", registry=self._registry)
        self._encoder = Gauge("kindred_index_info", "The encoder of the load that is served.", ("encoder_version",), registry=self._registry)

    def switched(self, load: LoadName) -> None:
        """Note that another load is served from now on."""
        self._switches.inc()
        self._loaded_at.set(load.started_at.timestamp())
        self._encoder.clear()
        self._encoder.labels(load.encoder_version).set(1)

    def text(self) -> bytes:
        """All figures in Prometheus's text format."""
        return generate_latest(self._registry)
