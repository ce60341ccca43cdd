"""An encoder without a model: the vector of a text counts its words, each in a place of its own by a hash; `blurred` ones mix many words up."""

import re
from collections.abc import Sequence
from zlib import crc32

import numpy as np

from lake.encoder import Encoder, EncoderCard
from lake.examples import Side
from lake.rendering import RENDERING_VERSION, QueryFormat


class CountingEncoder(Encoder):
    """Vectors of `size` numbers at unit length; what it was given to encode stands in `texts`."""

    def __init__(self, size: int = 512, query_format: QueryFormat = "units", max_tokens: int = 4096, version: str | None = None) -> None:
        self.card = EncoderCard(base_model="none", rendering_version=RENDERING_VERSION, max_tokens=max_tokens, query_format=query_format)
        self.version, self.size = version or str(size), size
        self.texts: list[str] = []

    @property
    def dimension(self) -> int:
        """Length D of a vector."""
        return self.size

    def token_starts(self, text: str) -> np.ndarray:
        """Words are tokens; one special token stands before them."""
        return np.array([-1, *(found.start() for found in re.finditer(r"\S+", text))], np.int64)

    def encode_texts(self, texts: Sequence[str], side: Side) -> np.ndarray:
        """Vectors (N, D)."""
        self.texts += texts
        vectors = np.zeros((len(texts), self.size), np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            for word in text.lower().split():
                vector[crc32(word.encode()) % self.size] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
