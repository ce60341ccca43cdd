"""How far a job that asks a model is: a bar on a terminal, elsewhere a log line now and then."""

import logging
import time

from tqdm import tqdm

from conf.logs import NOTICE, Pace

logger = logging.getLogger(__name__)


class Progress:
    """Done, total and rate of what is asked and committed: `total` of a `unit`; `what` is done to them."""

    def __init__(self, total: int, what: str, unit: str) -> None:
        self._bar = tqdm(total=total, unit=unit, desc=what, disable=None)
        self._what, self._unit, self._total, self._done, self._since, self._pace = what, unit, total, 0, time.monotonic(), Pace()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def done(self, count: int) -> None:
        """Count what is committed."""
        self._done += count
        self._bar.update(count)
        if self._bar.disable and (self._pace.is_due() or self._done == self._total):
            rate = self._done / (time.monotonic() - self._since)
            logger.log(NOTICE, "%s: %d of %d %ss, %.1f %ss/s", self._what, self._done, self._total, self._unit, rate, self._unit)
