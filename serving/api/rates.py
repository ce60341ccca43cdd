"""How often a client may ask: a bucket of tokens each, which fills with time. In this process alone."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

CLIENTS_KNOWN = 10_000
BURST_SHARE = 0.1
"""Of a minute's requests those that may come at once."""


class Rates:
    """Who has asked how often. Of more clients than CLIENTS_KNOWN who asked longest ago is forgotten, and so has a full bucket."""

    def __init__(self, requests_per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._burst = requests_per_minute / 60, max(1.0, requests_per_minute * BURST_SHARE)
        self._clock, self._lock = clock, threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def seconds_to_wait(self, client: str) -> float:
        """0 where the client may ask now, which is counted; else when it may."""
        with self._lock:
            now = self._clock()
            left, at = self._buckets.pop(client, (self._burst, now))
            left = min(self._burst, left + (now - at) * self._per_second)
            allowed = left >= 1
            self._buckets[client] = (left - allowed, now)
            if len(self._buckets) > CLIENTS_KNOWN:
                self._buckets.popitem(last=False)
            return 0.0 if allowed else (1 - left) / self._per_second
