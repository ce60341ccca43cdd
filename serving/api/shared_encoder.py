"""One encoder for all requests, which take turns: a model on a CPU gains nothing from two at a time, and tokenizers are not safe for it."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from lake.encoder import Encoder
from lake.labels import Level
from serving.api.problems import Busy


class SharedEncoder:
    """A registered encoder that one request has at a time. Others wait `wait_seconds` at most, then raise Busy. `observe` is told the seconds of each turn."""

    def __init__(self, encoder: Encoder, wait_seconds: float, observe: Callable[[float], None]) -> None:
        self._encoder, self._wait_seconds, self._observe = encoder, wait_seconds, observe
        self._turn = threading.Lock()

    @property
    def version(self) -> str:
        """Hash of the encoder's content."""
        return self._encoder.version

    def encode_items(self, texts: Sequence[str], level: Level | None) -> np.ndarray:
        """Vectors (N, D) of items' words."""
        with self._my_turn():
            return self._encoder.encode_items(texts, level)

    def encode_history(self, units: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, int]:
        """Vector (D,) of a history, and of how many of its newest units it was made."""
        with self._my_turn():
            return self._encoder.encode_history(units)

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=self._wait_seconds):
            raise Busy("the encoder is busy with other requests")
        began = time.monotonic()
        try:
            yield
        finally:
            self._turn.release()
            self._observe(time.monotonic() - began)
