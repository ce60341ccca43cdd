"""The frozen encoder by which an audit says what is near in meaning (edge)."""

from collections.abc import Sequence

import numpy as np

from lake.encoder import load_model
from lake.models import model_folder
from teacher.audit.measures import Encode, Vectors
from teacher.config import AuditConfig


def frozen_encoder(config: AuditConfig) -> Encode:
    """Texts -> vectors of the frozen encoder; a text that comes again is encoded once."""
    model = load_model(str(model_folder(config.encoder)), config.device)
    known: dict[str, Vectors] = {}

    def encode(texts: Sequence[str]) -> Vectors:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known.update(zip(new, model.encode(new, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False), strict=True))
        size = int(model.get_embedding_dimension() or 0)
        return np.array([known[text] for text in texts], np.float32).reshape(len(texts), size)

    return encode
