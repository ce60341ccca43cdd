"""SASRec and eSASRec by RecTools on a split that `benchmarks.movielens.prepare` or `benchmarks.label_split` wrote; their rankings as files for `trainer.evaluation.rankings`.

    ../sasrec/bin/python benchmarks/movielens/sasrec.py SPLIT.parquet FOLDER [--model sasrec|esasrec] [--epochs 100] [--every 5] [--settings JSON]

Runs in an environment of its own (requirements-sasrec.txt), so it imports nothing of this repository. Trained on part train alone; every so many epochs all items are ranked for who is asked in
part validation, and the epoch with the best NDCG@10 there is kept: NDCG here decides nothing else, since what is reported comes of our evaluation. FOLDER/MODEL.validation.parquet is that epoch's
ranking with what lies before validation given, FOLDER/MODEL.test.parquet with what lies before test given: all items (films: but those met before), for everybody who is asked. A split of labels asks a person at
several moments: each is a user of its own, and labels met before are ranked like others.

SASRec: Kang and McAuley 2018 with softmax over all items, as Klenitskiy and Vasilev 2023 found better. eSASRec: 2508.06450, LiGR layers and sampled softmax.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel
from rectools.models.nn.transformers.ligr import LiGRLayers

MODELS: dict[str, dict[str, Any]] = {
    "sasrec": {"loss": "softmax", "n_blocks": 2, "n_heads": 2, "n_factors": 64, "dropout_rate": 0.2, "session_max_len": 200, "batch_size": 128, "lr": 1e-3},
    "esasrec": {
        "loss": "sampled_softmax", "n_negatives": 256, "transformer_layers_type": LiGRLayers, "n_blocks": 2, "n_heads": 2, "n_factors": 64, "dropout_rate": 0.2,
        "session_max_len": 200, "batch_size": 128, "lr": 1e-3,
    },
}  # fmt: skip
BEFORE = {"validation": ["train", "validation given"], "test": ["train", "validation", "test given"]}
"""Part that is asked about -> those that are given."""
MOMENT = "history_length"


def main() -> None:
    """Train, choose the epoch, write both rankings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", choices=list(MODELS), default="sasrec")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--patience", type=int, default=6, help="looks without a better one, after which it ends")
    parser.add_argument("--settings", type=json.loads, default={}, help="of the model, as JSON")
    parser.add_argument("--seed", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    seed_everything(arguments.seed, verbose=False)
    acts = pd.read_parquet(arguments.split)
    if MOMENT in acts:
        moments = acts[MOMENT].map(lambda units: "" if pd.isna(units) else f" at {int(units)}")
        acts["person_id"] = (acts.person_id.astype(object) + moments.astype(object)).astype(object)
    model = SASRecModel(**(MODELS[arguments.model] | arguments.settings), deterministic=True, epochs=arguments.every, verbose=0)
    best, since, started = -1.0, 0, time.process_time()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for epoch in range(arguments.every, arguments.epochs + 1, arguments.every):
        model.fit_partial(dataset_of(acts[acts.part == "train"]), min_epochs=arguments.every, max_epochs=arguments.every)
        ranked = ranking(model, acts, "validation")
        found = ndcg_at_10(ranked, acts[acts.part == "validation"])
        print(f"{arguments.model} epoch {epoch}: validation NDCG@10 {found:.4f} ({time.process_time() - started:.0f} CPU s)", flush=True)
        since = 0 if found > best else since + 1
        if found > best:
            best = found
            for part, rows in (("validation", ranked), ("test", ranking(model, acts, "test"))):
                rows.to_parquet(arguments.folder / f"{arguments.model}.{part}.parquet", index=False)
        if since == arguments.patience:
            break


def dataset_of(acts: pd.DataFrame) -> Dataset:
    """Acts as RecTools takes them; their order is that of the split, ties in time settled."""
    at = pd.Timestamp("2000-01-01") + pd.to_timedelta(acts.place, unit="s")
    frame = pd.DataFrame({Columns.User: acts.person_id.astype(object), Columns.Item: acts.item_id.astype(object), Columns.Weight: 1.0, Columns.Datetime: at})
    return Dataset.construct(frame)


def ranking(model: SASRecModel, acts: pd.DataFrame, part: str) -> pd.DataFrame:
    """All items that the model knows but those met before, for everybody who is asked in a part and has a history that it knows."""
    given, asked = acts[acts.part.isin(BEFORE[part])], acts[acts.part == part].person_id.unique()
    found = model.recommend(
        np.intersect1d(asked, given.person_id),
        dataset_of(given),
        k=acts.item_id.nunique(),
        filter_viewed=MOMENT not in acts,
        add_rank_col=False,
        on_unsupported_targets="warn",
    )
    found = found.rename(columns={Columns.User: "person_id", Columns.Item: "item_id", Columns.Score: "score"})
    if MOMENT in acts:
        parts = found.person_id.str.split(" at ", n=1, expand=True)
        found = found.assign(person_id=parts[0], **{MOMENT: parts[1].astype(int)})
    return found[["person_id", "item_id", "score", *([MOMENT] if MOMENT in acts else [])]]


def ndcg_at_10(ranked: pd.DataFrame, acts: pd.DataFrame) -> float:
    """Mean over who is asked; each item among the ten best counts one over the logarithm of its rank plus one, over what the best list would get."""
    if MOMENT in ranked:
        ranked = ranked.assign(person_id=ranked.person_id + " at " + ranked[MOMENT].astype(str))
    ranks = ranked.groupby("person_id").score.rank(ascending=False, method="first")
    hits = ranked.assign(rank=ranks)[ranks <= 10].merge(acts, on=["person_id", "item_id"])
    gains = (1 / np.log2(1 + hits["rank"])).groupby(hits.person_id).sum()
    ideal = np.cumsum(1 / np.log2(2 + np.arange(10)))
    counts = acts.groupby("person_id").size()
    return float((gains.reindex(counts.index).fillna(0) / ideal[np.minimum(counts, 10) - 1]).mean())


if __name__ == "__main__":
    main()
