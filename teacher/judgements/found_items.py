"""The encoder that finds items near units and histories, and what it finds (edge)."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from lake import arrow_tables
from lake.config import LakeConfig
from lake.encoder import CARD_FILE, Encoder, EncoderCard, encoder_version, load_encoder, load_model, registered_folder
from lake.job_runs import Inputs
from lake.labels import ITEMS, LABELS_SOURCE, Level
from lake.models import model_folder, model_path, public_name
from lake.rendering import READS_LABELS, RENDERING_VERSION, with_label
from lake.vectors import ITEM_VECTORS
from teacher.config import JudgeConfig
from teacher.judgements.judging import Candidates
from teacher.judgements.neighbours import Vectors, nearest
from teacher.judgements.queries import Query

ITEMS_AT_ONCE = 16_384
"""Items whose vectors are in memory."""
FROZEN_TOKENS = 512
"""Of a frozen model, at most."""


def finding_encoder(lake: LakeConfig, config: JudgeConfig) -> Encoder:
    """The encoder of `teacher.judge.encoder`. Raises EncoderError, ConfigError where there is none."""
    name = config.encoder
    if name is None or not (Path(model_path(name)).is_dir() or "/" in name):
        return load_encoder(registered_folder(lake, name), config.device)
    folder = model_folder(name)
    if (folder / CARD_FILE).is_file():
        return load_encoder(folder, config.device)
    model = load_model(str(folder), config.device)
    longest = min(FROZEN_TOKENS, int(model.max_seq_length or FROZEN_TOKENS))
    card = EncoderCard(base_model=public_name(name), rendering_version=RENDERING_VERSION, max_tokens=longest)
    return Encoder(model, card, encoder_version(folder))


def query_vectors(encoder: Encoder, queries: Sequence[Query]) -> tuple[list[Query], Vectors]:
    """Those queries in which the encoder's format has anything to read, and their vectors (Q, D)."""
    texts = [encoder.history_text(_as_read(encoder, query))[0] for query in queries]
    readable = [place for place, text in enumerate(texts) if text]
    return [queries[place] for place in readable], encoder.encode_history_texts([texts[place] for place in readable])


def _as_read(encoder: Encoder, query: Query) -> list[Mapping[str, object]]:
    labels = query.labels if encoder.card.query_format in READS_LABELS else {}
    return [with_label(unit, labels) for unit in query.history]


def found_items(lake: LakeConfig, encoder: Encoder, tables: Inputs, level: Level, queries: Sequence[Query], vectors: Vectors, count: int) -> list[Candidates]:
    """The items of a level nearest to each query, and the one that is given for it, in no order that tells which it is.

    Of all items ids and words are in memory, and the vectors of ITEMS_AT_ONCE.
    """
    of_level = (ds.field("source") == LABELS_SOURCE) & (ds.field("level") == level)
    items = arrow_tables.read(lake, ITEMS, ("item_id", "text"), of_level, tables.version(ITEMS)).sort_by("item_id").combine_chunks()
    numbers = nearest(vectors, _vectors_of(lake, encoder, tables, level, items), count)
    ids, texts = items["item_id"], items["text"]
    found = []
    for query, of_query in zip(queries, numbers.tolist(), strict=True):
        words = {ids[number].as_py(): texts[number].as_py() for number in of_query}
        if level in query.given:
            words.setdefault(*query.given[level])
        found.append(Candidates(query, level, *zip(*sorted(words.items()), strict=True)) if words else Candidates(query, level, [], []))
    return found


def _vectors_of(lake: LakeConfig, encoder: Encoder, tables: Inputs, level: Level, items: pa.Table) -> Iterator[tuple[Sequence[int], Vectors]]:
    """Numbers and vectors (N, D) of all items, a part at a time: those that `item_vectors` has of this encoder, and of the others new ones."""
    for start in range(0, items.num_rows, ITEMS_AT_ONCE):
        part = items.slice(start, ITEMS_AT_ONCE)
        vectors = np.zeros((part.num_rows, encoder.dimension), np.float32)
        places = {item_id: place for place, item_id in enumerate(part["item_id"].to_pylist())}
        known = _known_vectors(lake, encoder, tables, part["item_id"])
        for item_id, vector in known.items():
            vectors[places[item_id]] = vector
        new = [place for item_id, place in places.items() if item_id not in known]
        if new:
            vectors[new] = encoder.encode_items(part["text"].take(pa.array(new)).to_pylist(), level)
        yield range(start, start + part.num_rows), vectors


def _known_vectors(lake: LakeConfig, encoder: Encoder, tables: Inputs, item_ids: pa.ChunkedArray) -> dict[str, np.ndarray]:
    if ITEM_VECTORS.name not in tables.tables:
        return {}
    where = (ds.field("encoder_version") == encoder.version) & ds.field("item_id").isin(item_ids)
    rows = arrow_tables.read(lake, ITEM_VECTORS, ("item_id", "vector"), where, tables.version(ITEM_VECTORS)).combine_chunks()
    if not rows.num_rows:
        return {}
    vectors = rows["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(np.float32).reshape(rows.num_rows, -1)
    return dict(zip(rows["item_id"].to_pylist(), vectors, strict=True))
