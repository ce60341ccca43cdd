"""Serving for real: MiniLM out of MLflow, vectors in Delta, Milvus Lite, and the three queries."""

import hashlib
import json
import math
import random
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_lake import (
    PEOPLE,
    TOPICS,
    all_chunks,
    chunks,
    copied_lake,
    history,
    person_id,
    register_base_encoder,
    unit,
    write_items,
    write_lake,
    write_sequences,
)  # fmt: skip

from benchmarks import nearest
from conf.errors import ConfigError, ContractError, EncoderError, KindredError, VectorStoreError
from lake import arrow_tables, pseudonyms
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.encoder import Encoder, EncoderCard, load_model
from lake.erasure import erase_rows
from lake.examples import PERSON_LABELS
from lake.job_runs import JOB_RUNS, JobRun, inputs_now, last_done_run
from lake.labels import ITEMS, LEVELS
from lake.models import model_path
from lake.rendering import RENDERING_VERSION, QueryFormat, render_history_unit
from lake.schema import rows_table
from lake.subjects import Subjects
from lake.units import SEQUENCES, sequence_bucket
from lake.vectors import ITEM_VECTORS, USER_VECTORS
from serving import loads, runners
from serving.collections import COLLECTIONS, USERS, load_name, parse_name
from serving.config import ServingConfig
from serving.erasing import erase_from_index, left_in_index
from serving.jobs import audience, embed, load, recommend, similar_users
from serving.milvus import VectorStore, open_store
from serving.search import Index

CONFIG = ServingConfig()
IN_BUCKETS = [sum(sequence_bucket(person_id(name), 2) == bucket for name in PEOPLE) for bucket in (0, 1)]
"""People of each bucket."""


@pytest.fixture
def served(loaded: LakeConfig) -> LakeConfig:
    """A loaded lake that tests read alone."""
    return loaded


@pytest.fixture
def own(served: LakeConfig, tmp_path: Path) -> LakeConfig:
    """A copy of it that a test may change."""
    return copied_lake(served, tmp_path)


def user_rows(lake: LakeConfig) -> dict[str, dict[str, Any]]:
    return {row["person_id"]: row for row in arrow_tables.read(lake, USER_VECTORS).to_pylist()}


def targets(lake: LakeConfig) -> list[str | None]:
    with open_store(lake, CONFIG) as store:
        return [store.target(collection.alias) for collection in COLLECTIONS]


# capfd, not capsys: a library that writes to the descriptor would spoil the JSON as well
def hits_of(job: Any, lake: LakeConfig, arguments: Sequence[str], capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    job.main(["--lake", lake.path, *arguments, "--json"])
    result: list[dict[str, Any]] = json.loads(capfd.readouterr().out)
    return result


def test_every_person_and_item_has_a_unit_vector(served: LakeConfig) -> None:
    users, items = (arrow_tables.read(served, spec).to_pylist() for spec in (USER_VECTORS, ITEM_VECTORS))
    assert {row["person_id"] for row in users} == {person_id(name) for name in PEOPLE}
    assert len(items) == len(TOPICS) + len({broad for _, broad in TOPICS.values()})
    assert np.linalg.norm([row["vector"] for row in users + items], axis=1) == pytest.approx(1, abs=1e-5)


def test_second_runs_change_nothing_and_load_no_model(served: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {spec.name: arrow_tables.table_version(served, spec) for spec in (USER_VECTORS, ITEM_VECTORS, JOB_RUNS)}
    before = targets(served)
    monkeypatch.setattr(runners, "load_encoder", lambda *_: pytest.fail("the model was loaded"))
    embed.main(["--lake", served.path])
    load.main(["--lake", served.path])
    assert {spec.name: arrow_tables.table_version(served, spec) for spec in (USER_VECTORS, ITEM_VECTORS, JOB_RUNS)} == versions
    assert targets(served) == before


def test_similar_people_come_first_without_the_person(served: LakeConfig, capfd: pytest.CaptureFixture[str]) -> None:
    hits = hits_of(similar_users, served, ["--user", person_id("stargazer")], capfd)
    assert hits[0]["person_id"] == person_id("astrophotographer")
    assert person_id("stargazer") not in {hit["person_id"] for hit in hits}
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    assert {topic["text"] for topic in hits[0]["shared"][:2]} == {TOPICS["telescopes"][0], TOPICS["galaxies"][0]}


def test_a_joined_person_is_found_by_any_account(served: LakeConfig, capfd: pytest.CaptureFixture[str]) -> None:
    hits = hits_of(similar_users, served, ["--user", person_id("baker's second account"), "--top-k", "1"], capfd)
    assert [hit["person_id"] for hit in hits] == [person_id("barista")]


def test_recommendations_keep_to_their_level_and_tell_what_is_known(served: LakeConfig, capfd: pytest.CaptureFixture[str]) -> None:
    for level in LEVELS:
        hits = hits_of(recommend, served, ["--user", person_id("cyclist"), "--level", level], capfd)
        assert {hit["level"] for hit in hits} == {level}
        assert [hit["text"] for hit in hits if hit["known"]] == [TOPICS["bicycles"][level == "broad"]]
    assert hits_of(recommend, served, ["--user", person_id("cyclist"), "--top-k", "1"], capfd)[0]["text"] == TOPICS["bicycles"][0]


def test_new_leaves_the_persons_own_labels_out_and_fills_up(served: LakeConfig, capfd: pytest.CaptureFixture[str]) -> None:
    hits = hits_of(recommend, served, ["--user", person_id("cyclist"), "--new", "--limit", "5"], capfd)
    assert {hit["text"] for hit in hits} == {specific for name, (specific, _) in TOPICS.items() if name != "bicycles"}


def test_what_is_likely_is_alike_or_popular_by_what_the_card_says(own: LakeConfig, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    counts = {text: 1 + 2000 * (text == TOPICS["chess"][0]) for text, _ in TOPICS.values()}
    rows = arrow_tables.read(own, ITEMS).to_pylist()
    arrow_tables.overwrite(own, ITEMS, rows_table(ITEMS, [row | {"label_count": counts.get(row["text"], 3)} for row in rows]))
    version = register_base_encoder(own, tmp_path / "warm", temperature=0.08)
    embed.embed(own, CONFIG)
    load.load(own, CONFIG)
    check_likely(own, counts, 0.08, capfd)
    assert register_base_encoder(own, tmp_path / "fitted", temperature=0.08, popularity_weights={"specific": 0.12}) == version  # the same vectors
    load.load(own, CONFIG)
    check_likely(own, counts, 0.12, capfd)


def check_likely(own: LakeConfig, counts: Mapping[str, int], weight: float, capfd: pytest.CaptureFixture[str]) -> None:
    """What is likely is ranked by the cosine and the count, which weighs so much."""
    asked = ["--user", person_id("cyclist")]
    likely, alike = hits_of(recommend, own, asked, capfd), hits_of(recommend, own, [*asked, "--by", "alike"], capfd)
    cosines = {hit["text"]: hit["score"] for hit in alike}
    assert alike[0]["text"] == TOPICS["bicycles"][0]
    expected = {text: cosine + weight * math.log1p(counts[text]) for text, cosine in cosines.items()}
    assert {hit["text"]: hit["score"] for hit in likely} == {text: pytest.approx(score, abs=1e-4) for text, score in expected.items()}
    assert [hit["text"] for hit in likely] == sorted(expected, key=lambda text: -expected[text])
    assert [hit["text"] for hit in likely].index(TOPICS["chess"][0]) < [hit["text"] for hit in alike].index(TOPICS["chess"][0])


def test_audience_of_a_text_are_the_people_who_care(served: LakeConfig, capfd: pytest.CaptureFixture[str]) -> None:
    hits = hits_of(audience, served, ["Observing the night sky through a telescope", "--top-k", "2"], capfd)
    assert {hit["person_id"] for hit in hits} == {person_id("stargazer"), person_id("astrophotographer")}


@pytest.mark.parametrize("hostile", ["nobody", "a'] or person_id not in ['zz", 'a"] or person_id not in ["zz', "nul\x00", ""])
def test_unknown_user_is_an_error_and_nobody_elses_answer(served: LakeConfig, hostile: str) -> None:
    with pytest.raises(KindredError, match=r"no person|control character|at least 1 character"):
        similar_users.main(["--lake", served.path, "--user", hostile])


def test_a_name_finds_its_pseudonym_with_the_right_key_alone(own: LakeConfig, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    key = pseudonyms.load_key(own.pseudonym_key_file)
    arrow_tables.create_table(own, ACTS, {pseudonyms.KEY_ID_PROPERTY: pseudonyms.key_id(key)})
    users = [pseudonyms.pseudonym(key, "test", "Named_Person")]
    rows = chunks("named", [unit("named", 1, "chess")], user_ids=users)
    write_sequences(own, [*all_chunks(), *rows])
    embed.embed(own, CONFIG)
    load.load(own, CONFIG)
    with_key = ["--set", f"lake.pseudonym_key_file={own.pseudonym_key_file}"]
    hits = hits_of(similar_users, own, ["--name", "test:NAMED_person", *with_key], capfd)
    assert hits[0]["person_id"] == person_id("chess-player")
    other_key = tmp_path / "other.key"
    other_key.write_text("22" * 32)
    with pytest.raises(ConfigError, match="acts: made with pseudonym key"):
        similar_users.main(["--lake", own.path, "--name", "test:Named_Person", "--set", f"lake.pseudonym_key_file={other_key}"])


def test_only_changed_people_are_encoded_again_and_vanished_ones_removed(own: LakeConfig) -> None:
    before = user_rows(own)
    rows = [row for row in all_chunks() if row["person_id"] not in (person_id("cyclist"), person_id("chess-player"))]
    write_sequences(own, [*rows, *chunks("cyclist", [*history("cyclist"), unit("cyclist", 9, "chess", community="other")])])
    embed.embed(own, CONFIG)
    after, run = user_rows(own), last_done_run(own, "serving embed")
    assert run is not None
    assert {what: count for what, count in run.rows.items() if what.startswith("users")} == {
        "users encoded": 1, "users redescribed": 1, "users unchanged": 3, "users removed": 1,
    }  # fmt: skip
    assert set(before) - set(after) == {person_id("chess-player")}
    assert {key for key in after if after[key]["vector"] != before[key]["vector"]} == {person_id("cyclist")}
    assert (after[person_id("cyclist")]["unit_count"], after[person_id("baker")]["user_ids"]) == (3, [person_id("baker")])


def test_vanished_items_are_removed_and_the_rest_is_not_encoded_again(own: LakeConfig) -> None:
    write_items(own, {name: texts for name, texts in TOPICS.items() if name != "chess"})
    embed.embed(own, CONFIG)
    run = last_done_run(own, "serving embed")
    assert run is not None
    assert {what: count for what, count in run.rows.items() if what.startswith("items")} == {"items unchanged": 8, "items removed": 2}
    assert arrow_tables.read(own, ITEM_VECTORS).num_rows == 8


def test_no_people_at_all_leave_no_vectors_and_no_load(own: LakeConfig) -> None:
    arrow_tables.overwrite(own, SEQUENCES, [])
    embed.embed(own, CONFIG)
    assert user_rows(own) == {}
    before = targets(own)
    with pytest.raises(ContractError, match="user_vectors: no vectors"):
        load.load(own, CONFIG)
    assert targets(own) == before


def test_a_failed_embed_goes_on_from_what_is_written(own: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = user_rows(own)
    for spec in (USER_VECTORS, ITEM_VECTORS):
        arrow_tables.overwrite(own, spec, [])
    committed, commits = embed.commit, []

    def commit_once(lake: LakeConfig, spec: Any, change: Any) -> None:
        if commits:
            raise OSError("disk full")
        commits.append(change.counts["encoded"])
        committed(lake, spec, change)

    with monkeypatch.context() as patch:
        patch.setattr(embed, "commit", commit_once)
        with pytest.raises(OSError, match="disk full"):
            embed.embed(own, CONFIG)
    assert len(user_rows(own)) == sum(commits) == IN_BUCKETS[0]
    embed.embed(own, CONFIG)
    run = last_done_run(own, "serving embed")
    assert run is not None
    assert (run.rows["users unchanged"], run.rows["users encoded"]) == (*IN_BUCKETS,)
    after = user_rows(own)
    assert {key: row["history_hash"] for key, row in after.items()} == {key: row["history_hash"] for key, row in undisturbed.items()}
    for key, row in after.items():
        assert row["vector"] == pytest.approx(undisturbed[key]["vector"], abs=1e-5)


KILLED_IN_THE_SECOND_COMMIT = """
import os, signal, sys
from serving.jobs import embed
commit, commits = embed.commit, []
def commit_once(*arguments):
    commits.append(None)
    return os.kill(os.getpid(), signal.SIGKILL) if len(commits) > 1 else commit(*arguments)
embed.commit = commit_once
embed.main(["--lake", sys.argv[1]])
"""


def test_a_killed_embedding_goes_on_from_what_is_committed(own: LakeConfig) -> None:
    undisturbed = {row["item_id"]: row["vector"] for row in arrow_tables.read(own, ITEM_VECTORS).to_pylist()}
    people = user_rows(own)
    for spec in (USER_VECTORS, ITEM_VECTORS):
        arrow_tables.overwrite(own, spec, arrow_tables.read(own, spec).slice(0, 0))
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_THE_SECOND_COMMIT, own.path], cwd=root, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(user_rows(own)) == IN_BUCKETS[0]
    embed.embed(own, CONFIG)
    assert {key: row["vector"] for key, row in user_rows(own).items()} == {key: pytest.approx(row["vector"], abs=1e-5) for key, row in people.items()}
    after = {row["item_id"]: row["vector"] for row in arrow_tables.read(own, ITEM_VECTORS).to_pylist()}
    assert after == {key: pytest.approx(vector, abs=1e-5) for key, vector in undisturbed.items()}


KILLED_BEFORE_AN_ALIAS = """
import os, signal, sys
from serving.jobs import load
from serving.milvus import VectorStore
point, moves = VectorStore.point, []
def killed_before(store, alias, name):
    if len(moves) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    moves.append(alias)
    point(store, alias, name)
VectorStore.point = killed_before
load.main(["--lake", sys.argv[1]])
"""


@pytest.mark.parametrize("moved", [0, 1])
def test_a_load_killed_before_either_alias_moves_leaves_the_old_one_serving_or_the_new_one(
    own: LakeConfig, moved: int, capfd: pytest.CaptureFixture[str]
) -> None:
    before = targets(own)
    write_sequences(own, [*all_chunks(), *chunks("new", [unit("new", 1, "chess")])])
    embed.embed(own, CONFIG)
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", KILLED_BEFORE_AN_ALIAS, own.path, str(moved)], cwd=root, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [target == old for target, old in zip(targets(own), before, strict=True)] == [not moved, True]
    with open_store(own, CONFIG) as store:
        assert len([name for name in store.names() if parse_name(name)]) == 4
    assert len(hits_of(similar_users, own, ["--user", person_id("baker")], capfd)) == len(PEOPLE) - 1 + moved
    assert hits_of(recommend, own, ["--user", person_id("baker")], capfd)
    load.load(own, CONFIG)
    after = targets(own)
    assert not set(after) & set(before)
    with open_store(own, CONFIG) as store:
        names = {name for name in store.names() if parse_name(name)}
    assert names == {name for name in (*after, *before) if name}  # what was served may be gone back to, and of the killed one nothing is left but what serves
    assert len(hits_of(similar_users, own, ["--user", person_id("baker")], capfd)) == len(PEOPLE)


def test_a_load_that_lost_rows_does_not_move_the_alias(own: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    before = targets(own)
    write_sequences(own, [*all_chunks(), *chunks("new", [unit("new", 1, "chess")])])
    embed.embed(own, CONFIG)
    monkeypatch.setattr("serving.milvus.VectorStore.insert", lambda self, name, rows: self._client.insert(name, list(rows)[1:]))
    with pytest.raises(VectorStoreError, match="6 rows after the load, expected 7"):
        load.load(own, CONFIG)
    assert targets(own) == before


def test_a_dropped_collection_is_loaded_again(own: LakeConfig) -> None:
    with open_store(own, CONFIG) as store:
        store.drop(str(store.target("users")))
        with pytest.raises(VectorStoreError, match="'users' stands for nothing"):
            Index(store)
    load.load(own, CONFIG)
    with open_store(own, CONFIG) as store:
        assert store.count(Index(store).users) == len(PEOPLE)


def test_users_are_searched_beside_the_items_of_their_own_load_alone(own: LakeConfig) -> None:
    with open_store(own, CONFIG) as store:
        foreign = f"users_{'f' * 16}_{'20240101000000000000'}x{'0' * 12}"
        store.create(USERS, foreign, 8)
        store.point("users", foreign)
        with pytest.raises(VectorStoreError, match=f"items_{'f' * 16}_20240101000000000000x{'0' * 12} is not there"):
            Index(store)


def test_what_an_embedding_that_was_cut_off_left_is_not_loaded(own: LakeConfig) -> None:
    before = targets(own)
    write_sequences(own, [*all_chunks(), *chunks("new", [unit("new", 1, "chess")])])
    arrow_tables.overwrite(own, USER_VECTORS, arrow_tables.read(own, USER_VECTORS).slice(0, 0))
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_THE_SECOND_COMMIT, own.path], cwd=root, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(user_rows(own)) == IN_BUCKETS[0] + 1
    with pytest.raises(ContractError, match=r"not what a finished 'kindred serving embed' .* left there"):
        load.load(own, CONFIG)
    assert targets(own) == before
    embed.embed(own, CONFIG)
    arrow_tables.open_table(own, USER_VECTORS).optimize.compact()
    load.load(own, CONFIG)
    with open_store(own, CONFIG) as store:
        assert store.count(Index(store).users) == len(PEOPLE) + 1


def test_a_fresh_load_is_tried_with_rows_from_all_over_the_table(served: LakeConfig) -> None:
    (version,) = {row["encoder_version"] for row in user_rows(served).values()}
    inputs = inputs_now(served, (USER_VECTORS,), encoder_version=version)
    vectors = arrow_tables.read(served, USER_VECTORS)["vector"].to_pylist()
    assert load._sample(served, inputs, USERS, len(vectors), 4).tolist() == [vectors[row] for row in (0, 1, 3, 4)]
    assert len(load._sample(served, inputs, USERS, len(vectors), 0)) == 0
    assert len(load._sample(served, inputs, USERS, len(vectors), 50)) == len(vectors)


def test_an_index_that_does_not_find_the_nearest_rows_is_not_served(own: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    before = targets(own)
    write_sequences(own, [*all_chunks(), *chunks("new", [unit("new", 1, "chess")])])
    embed.embed(own, CONFIG)
    search = VectorStore.search

    def blind(store: VectorStore, name: str, vectors: Any, limit: int, where: str = "", *rest: Any, **more: Any) -> Any:
        """Finds each vector itself, and where a filter is given none of the others."""
        found = search(store, name, vectors, limit, where, *rest, **more)
        return [hits[:1] for hits in found] if where else found

    monkeypatch.setattr(VectorStore, "search", blind)
    with pytest.raises(VectorStoreError, match=r"of the 10 nearest rows found, with unit_count >= \d, expected 95%"):
        load.load(own, CONFIG)
    assert targets(own) == before


def test_collections_of_others_are_left_alone_and_young_ones_of_ours_on_a_server(own: LakeConfig) -> None:
    now, day = datetime.now(UTC), timedelta(days=1)
    ours = load_name(loads.lake_id(own), "e" * 16, now, "a" * 32)
    of = {
        "served": replace(ours, started_at=now - 3 * day), "before": replace(ours, started_at=now - 5 * day),
        "by another alias": replace(ours, started_at=now - 6 * day), "under way": replace(ours, started_at=now - day / 2),
        "another lake's": load_name("other", "e" * 16, now - 5 * day, "a" * 32), "an older program's": replace(ours, lake=None, started_at=now - 5 * day),
    }  # fmt: skip

    class Server:
        """Names alone."""

        is_lite = False
        left = [of[name].of(USERS) for name in of] + ["somebody_elses"]

        def names(self) -> list[str]:
            return list(self.left)

        def aliases(self, name: str) -> list[str]:
            return ["their_users"] if name == of["by another alias"].of(USERS) else []

        def drop(self, name: str) -> None:
            self.left.remove(name)

    server: Any = Server()
    loads.drop_unused(server, of["served"], ours, 24)
    assert set(server.left) == {of[name].of(USERS) for name in of if name != "before"} | {"somebody_elses"}


def test_an_alias_of_another_lake_on_the_server_is_not_taken(own: LakeConfig) -> None:
    other = load_name("other", "e" * 16, datetime.now(UTC), "a" * 32)

    class Server:
        """One alias."""

        is_lite, place = False, "a server"

        def alias(self, collection: Any) -> str:
            return str(collection.alias)

        def target(self, alias: str) -> str:
            return other.of(USERS)

    server: Any = Server()
    with pytest.raises(VectorStoreError, match=r"alias 'users' stands for users_.*, which is not of this lake; .* serving.alias_prefix"):
        loads.served_here(server, load_name(loads.lake_id(own), "e" * 16, datetime.now(UTC), "a" * 32))


def test_aliases_may_have_names_of_their_own(own: LakeConfig) -> None:
    config = CONFIG.model_copy(update={"alias_prefix": "reddit_"})
    load.load(own, config)
    with open_store(own, config) as store:
        assert store.target("reddit_users") == Index(store).users
        assert store.target("reddit_items") == Index(store).items
    assert len(set(targets(own)) - {None}) == len(COLLECTIONS)  # what stands under other names is asked as before


def test_what_other_aliases_serve_is_erased_under_their_prefix(own: LakeConfig) -> None:
    trial, gone = CONFIG.model_copy(update={"alias_prefix": "trial_"}), [person_id("baker")]
    load.load(own, trial)
    erase_rows(own, USER_VECTORS, Subjects(frozenset(gone)))
    erase_from_index(own, CONFIG, gone, [])
    (told,) = left_in_index(own, CONFIG, gone, [])
    assert told.endswith(" (served as trial_users: run the command with its serving.alias_prefix, too)")
    erase_from_index(own, trial, gone, [])
    assert left_in_index(own, trial, gone, []) == []


def test_vectors_that_were_served_until_now_stay_however_old_they_are(own: LakeConfig, tmp_path: Path) -> None:
    old = {row["encoder_version"] for row in user_rows(own).values()}
    rows = [JobRun(**row) for row in arrow_tables.read(own, JOB_RUNS).to_pylist(maps_as_pydicts="strict")]
    week = timedelta(days=7)
    earlier = [row.model_copy(update={"started_at": row.started_at - week, "ended_at": row.ended_at - week}) for row in rows]
    arrow_tables.overwrite(own, JOB_RUNS, earlier)
    assert embed.encoders_to_keep(own, 24) == old
    assert embed.encoders_to_keep(own, 0) == set()
    labels = [row for row in arrow_tables.read(own, PERSON_LABELS).to_pylist() if row["person_id"] != person_id("cyclist")]
    arrow_tables.overwrite(own, PERSON_LABELS, rows_table(PERSON_LABELS, labels))
    version = register_base_encoder(own, tmp_path / "other", query_format="labels")
    embed.embed(own, CONFIG)
    found = [(row["encoder_version"], row["person_id"]) for row in arrow_tables.read(own, USER_VECTORS).to_pylist()]
    everybody = {person_id(name) for name in PEOPLE}
    assert {person for encoder, person in found if encoder in old} == everybody  # also of whom the new one reads nothing
    assert {person for encoder, person in found if encoder == version} == everybody - {person_id("cyclist")}


def test_who_is_gone_is_gone_under_every_encoder_and_old_encoders_go_when_their_time_is_over(own: LakeConfig, tmp_path: Path) -> None:
    old = {row["encoder_version"] for row in user_rows(own).values()}
    register_base_encoder(own, tmp_path / "other", max_tokens=64)
    embed.embed(own, CONFIG)
    assert {row["encoder_version"] for row in arrow_tables.read(own, USER_VECTORS).to_pylist()} > old
    write_sequences(own, [row for row in all_chunks() if row["person_id"] != person_id("cyclist")])
    embed.embed(own, CONFIG)
    rows = arrow_tables.read(own, USER_VECTORS).to_pylist()
    assert len(rows) == 2 * (len(PEOPLE) - 1)
    assert person_id("cyclist") not in {row["person_id"] for row in rows}
    write_sequences(own, all_chunks())
    embed.embed(own, CONFIG.model_copy(update={"keep_hours": 0}))
    for spec in (USER_VECTORS, ITEM_VECTORS):
        assert old.isdisjoint(arrow_tables.read(own, spec, ("encoder_version",))["encoder_version"].to_pylist())
    assert len(user_rows(own)) == len(PEOPLE)


def test_another_champion_needs_its_own_vectors(own: LakeConfig, tmp_path: Path) -> None:
    old = last_done_run(own, "serving embed")
    version = register_base_encoder(own, tmp_path / "other", max_tokens=64)
    with pytest.raises(VectorStoreError, match=f"the registered one is {version}"):
        audience.main(["--lake", own.path, "telescopes"])
    with pytest.raises(ContractError, match=f"no vectors of the registered encoder {version}"):
        load.load(own, CONFIG)
    embed.embed(own, CONFIG)
    load.load(own, CONFIG)
    assert old is not None
    assert {(name.encoder_version if (name := parse_name(str(target))) else None) for target in targets(own)} == {version}
    assert arrow_tables.read(own, USER_VECTORS).num_rows == 2 * len(PEOPLE)


def test_a_second_process_is_told_who_holds_milvus_lite(served: LakeConfig) -> None:
    program = "import sys; from serving.jobs import similar_users; similar_users.main(['--lake', sys.argv[1], '--user', 'x'])"
    root = Path(__file__).parents[2]
    with open_store(served, CONFIG):
        refused = subprocess.run([sys.executable, "-c", program, served.path], cwd=root, capture_output=True, text=True, check=False)
    assert "another process has it open" in refused.stderr.splitlines()[-1]


def test_without_encoder_or_vectors_the_message_says_what_to_run(lake: LakeConfig) -> None:
    with pytest.raises(ContractError, match=r"sequences: no table at .*; it is written by 'kindred etl sequences'"):
        embed.main(["--lake", lake.path])
    write_lake(lake)
    with pytest.raises(EncoderError, match="kindred trainer train"):
        embed.main(["--lake", lake.path])
    with pytest.raises(EncoderError, match="kindred trainer train"):
        audience.main(["--lake", lake.path, "words"])
    with pytest.raises(VectorStoreError, match="kindred serving load"):
        similar_users.main(["--lake", lake.path, "--user", "x"])
    assert not lake.local_dir().exists(), "who asks makes neither a registry nor an index"


def test_a_lake_in_an_object_store_needs_a_server() -> None:
    with pytest.raises(ConfigError, match=r"serving\.milvus_uri"), open_store(LakeConfig(path="s3://bucket/lake"), CONFIG):
        pass


def test_an_unreachable_server_is_named() -> None:
    config = ServingConfig(milvus_uri="http://127.0.0.1:9", timeout_seconds=2)
    with pytest.raises(VectorStoreError, match=r"http://127\.0\.0\.1:9 is not reachable"), open_store(LakeConfig(), config):
        pass


@pytest.mark.parametrize("query_format", ["labels", "mixed"])
def test_an_encoder_that_reads_labels_gets_those_of_person_labels(
    lake: LakeConfig, tmp_path: Path, query_format: QueryFormat, caplog: pytest.LogCaptureFixture
) -> None:
    write_lake(lake)
    version = register_base_encoder(lake, tmp_path / "encoder", query_format=query_format)
    labels = arrow_tables.read(lake, PERSON_LABELS).to_pylist()
    of_baker = [row for row in labels if row["person_id"] == person_id("baker")]
    without = [row for row in labels if row["person_id"] != person_id("cyclist") and row != of_baker[2]]
    arrow_tables.overwrite(lake, PERSON_LABELS, rows_table(PERSON_LABELS, without))
    embed.embed(lake, CONFIG)
    rows = user_rows(lake)
    assert {row["encoder_version"] for row in rows.values()} == {version}
    said = [f"{row['specific']} / {row['broad']}" for row in of_baker]
    own = [render_history_unit(unit) for unit in history("baker")]
    text = "\n".join([said[1], said[0]] if query_format == "labels" else [f"{own[0]} -> {said[0]}", f"{own[1]} -> {said[1]}", own[2]])
    baker = rows[person_id("baker")]
    assert baker["history_hash"] == hashlib.sha256(text.encode()).hexdigest()
    assert baker["encoded_units"] == (2 if query_format == "labels" else 3)
    done = last_done_run(lake, "serving embed")
    assert done is not None
    assert (person_id("cyclist") in rows, done.dropped, "1 people get no vector" in caplog.text) == (
        (False, {"people: no label to read": 1}, True) if query_format == "labels" else (True, {}, False)
    )  # fmt: skip

    arrow_tables.overwrite(lake, PERSON_LABELS, rows_table(PERSON_LABELS, labels))
    embed.embed(lake, CONFIG)
    assert user_rows(lake)[person_id("baker")]["history_hash"] != baker["history_hash"]
    assert len(user_rows(lake)) == len(PEOPLE)

    arrow_tables.overwrite(lake, PERSON_LABELS, rows_table(PERSON_LABELS, []))
    with pytest.raises(
        ContractError, match=f"this encoder reads histories as '{query_format}', and nobody has labels; label units, then run 'kindred trainer examples'"
    ):
        embed.embed(lake, CONFIG)


def test_texts_have_the_vectors_of_the_library_whatever_goes_through_the_model_together() -> None:
    chosen = random.Random(3)
    texts = [" ".join(chosen.choices([topic for topic, _ in TOPICS.values()], k=chosen.randint(1, 12))) for _ in range(8)]
    card = EncoderCard(base_model="m", rendering_version=RENDERING_VERSION, max_tokens=64, prompts={"query": "query: "})
    model = load_model(model_path("all-MiniLM-L6-v2"), "cpu")
    model.max_seq_length = card.max_tokens
    expected = model.encode(texts, prompt="query: ", normalize_embeddings=True)
    for tokens_at_once in (1, 100, None):
        found = Encoder(model, card, "v", tokens_at_once).encode_texts(texts, "query")
        assert found.dtype == np.float32
        assert np.abs(found - expected).max() < 1e-5
    short = Encoder(model, card, "v", bf16=True).encode_texts(texts, "query")
    assert short.dtype == np.float32
    assert 0 < np.abs(short - expected).max() < 0.01
    assert Encoder(model, card, "v").encode_texts([], "query").shape == (0, 384)


def test_a_history_without_labels_is_no_empty_text(tmp_path: Path) -> None:
    card = EncoderCard(base_model="m", rendering_version=RENDERING_VERSION, max_tokens=64, query_format="labels")
    encoder = Encoder(load_model(model_path("all-MiniLM-L6-v2"), "cpu"), card, "v")
    with pytest.raises(EncoderError, match="reads labels, and 1 of 2 histories have none"):
        encoder.encode_histories([[unit("a", 1, "chess") | {"label": {"specific": "Chess", "broad": "Games"}}], history("cyclist")])


def test_the_index_finds_the_exact_neighbours(served: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "BEST", 3)
    with open_store(served, CONFIG) as store:
        version = Index(store).encoder_version
        people, items = nearest.read_vectors(served, USER_VECTORS, version, ()), nearest.read_vectors(served, ITEM_VECTORS, version, ("level",))
        assert list(nearest.measured(store, people, items, 100)) == [
            ("specific items nearest to people", len(TOPICS), 1.0), ("broad items nearest to people", 4, 1.0), ("people nearest to people", len(PEOPLE), 1.0),
        ]  # fmt: skip


A_TASK_IS_KILLED_AND_TRIED_AGAIN = """
import os, signal, sys
from pathlib import Path
from serving import runners
from serving.jobs import embed
change_in_task, folder = runners.change_in_task, sys.argv[2]
def first_attempt_is_killed(sources, spec, bucket, size, at_work):
    found = change_in_task(sources, spec, bucket, size, at_work)
    killed = Path(folder, "killed")
    if spec.name == "user_vectors" and bucket == 1 and not killed.exists():
        killed.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    Path(folder, f"{os.getpid()} {spec.name} {bucket}").touch()
    return found
runners.change_in_task = first_attempt_is_killed
embed.main(["--lake", sys.argv[1], "--set", "serving.embed.runner=spark", "--set", "lake.spark_master=local[2,2]"])
"""


def test_tasks_of_spark_make_the_vectors_of_one_process_also_where_one_of_them_is_killed(own: LakeConfig, tmp_path: Path) -> None:
    expected = {spec.name: sorted(arrow_tables.read(own, spec).to_pylist(), key=lambda row: row[spec.key[0]]) for spec in (USER_VECTORS, ITEM_VECTORS)}
    for spec in (USER_VECTORS, ITEM_VECTORS):
        arrow_tables.overwrite(own, spec, [])
    command = [sys.executable, "-c", A_TASK_IS_KILLED_AND_TRIED_AGAIN, own.path, str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert (tmp_path / "killed").exists()
    tasks = [path.name.split(" ", 1) for path in tmp_path.glob("* *_vectors *")]
    assert sorted(what for _, what in tasks) == sorted(["user_vectors 0", "user_vectors 1", *(f"item_vectors {bucket}" for bucket in range(4))])
    for spec in (USER_VECTORS, ITEM_VECTORS):
        found = sorted(arrow_tables.read(own, spec).to_pylist(), key=lambda row: row[spec.key[0]])
        assert found == [row | {"vector": pytest.approx(row["vector"], abs=1e-5)} for row in expected[spec.name]]
    run = last_done_run(own, "serving embed")
    assert run is not None
    assert run.rows == {"users encoded": len(PEOPLE), "items encoded": 10}
