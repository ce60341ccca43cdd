"""Films as an app's own items, held out as acts: examples, training, evaluation and the split that other recommenders get; a tiny model, no Spark."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.movielens.prepare import write_split
from conf.errors import ConfigError, ContractError, EncoderError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.examples import EXAMPLES
from lake.job_runs import last_done_run
from lake.labels import ITEMS, Item, catalogue_item_id
from lake.schema import rows_table
from lake.units import SEQUENCES
from tests.encoder_folders import modernbert_folder
from tests.older_lakes import make_older
from tests.topic_people import START, unit
from trainer.evaluation.comparison import EvaluationResult
from trainer.jobs import evaluate, examples, train

PEOPLE, FILMS, RATED = 20, 24, 14
TRAINED = ("--set", "lake.encoder_alias=trained")
WORDS = ("garden", "chess", "bread", "star")


def film_of(person: int, number: int) -> int:
    """Each person sees films of one kind out of four, six of them in an order of their own, and then others."""
    return (person % 4 + 4 * ((person // 4 + number) % 6)) if number < 6 else (person + 5 * number) % FILMS


def write_films(lake: LakeConfig) -> None:
    """Sequences of people who rate films, a day each, and the films as a catalogue."""
    chunks = []
    for person in range(PEOPLE):
        units = [
            unit(person, number)
            | {"thread_id": f"films:{film}", "title": f"The {WORDS[film % 4]} {film}", "text": "", "community": "films", "platform": "films"}
            for number, film in ((number, film_of(person, number)) for number in range(RATED))
        ]
        chunks.append({"person_id": f"person{person:02}", "chunk": 0, "units": units, "user_ids": [], "first_at": START, "last_at": START, "bucket": 0})
    arrow_tables.overwrite(lake, SEQUENCES, rows_table(SEQUENCES, chunks))
    items = [
        Item(
            item_id=catalogue_item_id("films", str(film)),
            source="films",
            level=None,
            text=f"The {WORDS[film % 4]} {film}",
            external_id=str(film),
            label_count=None,
        )
        for film in range(FILMS)
    ]
    arrow_tables.overwrite(lake, ITEMS, items)


def words_of(lake: LakeConfig, base: Path, *settings: str) -> list[str]:
    common = (f"base_model={base}", "max_tokens=48", "query_format=brief", "phases=[{epochs: {catalogue: 1}}]", "people_per_batch=10", "precision=full",
              "examples.held_out_acts=last", "examples.min_past_units=3", "examples.min_future_units=1", "evaluation.bootstrap_samples=20")  # fmt: skip
    return ["--lake", lake.path, *(word for each in (*common, *settings) for word in ("--set", f"trainer.{each}"))]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return modernbert_folder(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, base: Path) -> LakeConfig:
    """A lake whose encoder was trained on everybody but their last two films."""
    lake = LakeConfig(path=str(tmp_path_factory.mktemp("films")))
    write_films(lake)
    examples.main(words_of(lake, base))
    train.main(words_of(lake, base))
    return lake


def evaluated(lake: LakeConfig, base: Path, capsys: pytest.CaptureFixture[str], *settings: str) -> EvaluationResult:
    capsys.readouterr()
    evaluate.main([*words_of(lake, base, *settings), *TRAINED, "--json"])
    return EvaluationResult(**json.loads(capsys.readouterr().out))


def split_of(lake: LakeConfig, tmp_path: Path) -> list[dict[str, Any]]:
    write_split(lake, tmp_path / "split.parquet")
    return pq.read_table(tmp_path / "split.parquet").to_pylist()


def test_everybody_is_asked_about_the_last_film_and_the_result_says_that_everybody_was_trained_on(
    trained: LakeConfig, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = last_done_run(trained, "trainer train")
    assert run is not None
    assert (run.rows["people with catalogue"], run.rows["validation people"]) == (PEOPLE, PEOPLE)
    rows = split_of(trained, tmp_path)
    test = {row["person_id"]: row["item_id"] for row in rows if row["part"] == "test"}
    for person_id in test:
        places = {part: [row["place"] for row in rows if (row["person_id"], row["part"]) == (person_id, part)] for part in ("train", "validation", "test")}
        assert (len(places["validation"]), len(places["test"])) == (1, 1)
        assert max(places["train"]) < places["validation"][0] < places["test"][0]
    assert len(test) == PEOPLE

    files = {}
    for name, items in (("right", test), ("wrong", {person_id: next(row["item_id"] for row in rows if row["person_id"] == person_id) for person_id in test})):
        files[name] = str(tmp_path / f"{name}.parquet")
        pq.write_table(pa.table({"person_id": list(items), "item_id": list(items.values()), "score": [1.0] * PEOPLE}), files[name])
    rankings = f"evaluation.rankings={json.dumps(files)}"
    found = evaluated(trained, base, capsys, rankings)
    assert (found.held_out_acts, found.held_out_part, found.catalogue_people, found.catalogue_queries, found.items["catalogue"]) == (
        "last",
        "test",
        PEOPLE,
        PEOPLE,
        FILMS,
    )
    assert (found.people, found.title_people, found.user_user) == (0, 0, None)
    for metric in ("recall_at_10", "ndcg_at_10", "mrr"):
        assert found.score("right", metric, "catalogue", "all").mean == 1
    assert found.score("wrong", "mrr", "catalogue", "all").mean < 0.3, "films met before are no candidates, and all others are alike to it"
    for scorer in ("tuned", "base", "popular", "ALS", "transition graph", "mean of last 5 items"):
        assert found.score(scorer, "recall_at_10", "catalogue", "all").people == PEOPLE
    assert evaluated(trained, base, capsys, "evaluation.held_out_part=validation").held_out_part == "validation"
    evaluate.main([*words_of(trained, base, rankings), *TRAINED])
    printed = capsys.readouterr().out
    assert f"An app's own items acted on next, all cuts ({PEOPLE} people, {FILMS} items)" in printed
    assert "Everybody was TRAINED ON; held out were acts: each person's last item" in " ".join(printed.split())
    assert max(map(len, printed.splitlines())) <= 150


def test_an_encoder_that_may_have_met_the_acts_is_not_asked(trained: LakeConfig, base: Path) -> None:
    again = words_of(trained, base, "examples.max_history_units=500")
    with pytest.raises(ContractError, match=r"they hold out \['last'\], and trainer.examples.held_out_acts is None"):
        train.main(words_of(trained, base, "examples.held_out_acts=null", "learning_rate=1e-4"))
    examples.main(again)
    with pytest.raises(EncoderError, match="trained on another version of `examples`"):
        evaluate.main([*again, *TRAINED])
    people = words_of(trained, base, "examples.held_out_acts=null", "examples.test_share=0.5", "examples.validation_share=0.1")
    examples.main(people)
    with pytest.raises(EncoderError, match="trained with the acts 'last' held out, and `examples` hold out whole people"):
        evaluate.main([*people, *TRAINED])
    with pytest.raises(ConfigError, match="they hold whole people out"):
        write_split(trained, Path("absent.parquet"))


def test_people_whom_training_never_saw_are_asked_about_films_beside_titles(lake: LakeConfig, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_films(lake)
    settings = ("examples.held_out_acts=null", "examples.test_share=0.5", "examples.validation_share=0.1")
    examples.main(words_of(lake, base, *settings))
    train.main(words_of(lake, base, *settings))
    found = evaluated(lake, base, capsys, *settings)
    assert (found.held_out_acts, found.held_out_part) == (None, "test")
    assert 0 < found.catalogue_people < PEOPLE
    assert found.catalogue_people <= found.catalogue_queries
    assert found.user_user is not None
    assert found.score("popular", "recall_at_10", "catalogue", "all").people == found.catalogue_people
    assert found.score("tuned", "personal_auc", "title", "all").people > 0
    make_older(lake, EXAMPLES)
    older = evaluated(lake, base, capsys, *settings, "evaluation.seed=1")
    assert (older.catalogue_people, older.title_people) == (0, found.title_people), "an older table does not say which items are acted on"


def test_without_a_catalogue_there_are_no_acts_to_hold_out(lake: LakeConfig, base: Path) -> None:
    write_films(lake)
    arrow_tables.overwrite(lake, ITEMS, [])
    with pytest.raises(ConfigError, match="nobody acts on an item of a catalogue there"):
        examples.main(words_of(lake, base))
