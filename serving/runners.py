"""Where the buckets of a table of vectors are worked on."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from lake.encoder import Encoder, load_encoder
from lake.tables import TableSpec
from serving.config import EmbedConfig, ServingConfig
from serving.embedding import Sources, bucket_change
from serving.vector_tables import BucketChange


def changes_in_this_process(sources: Sources, folder: Path, config: ServingConfig) -> Callable[[TableSpec, Mapping[int, int]], Iterator[BucketChange]]:
    """What becomes of each bucket of a table, by the encoder of a folder, one after the other: what is committed is read by nobody who comes later."""
    encoder = encoder_of(folder, config.device, config.embed)
    return lambda spec, sizes: (bucket_change(sources, spec, bucket, size, encoder) for bucket, size in sizes.items())


def encoder_of(folder: Path, device: str | None, config: EmbedConfig) -> Encoder:
    """The encoder of a folder, for texts in bulk. Raises EncoderError where there is none."""
    encoder = load_encoder(folder, device)
    bf16 = config.precision == "bf16" or (config.precision == "auto" and encoder.model.device.type == "cuda")
    return Encoder(encoder.model, encoder.card, encoder.version, config.tokens_at_once, bf16)
