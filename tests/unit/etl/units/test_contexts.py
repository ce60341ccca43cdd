"""Contexts: the vectorised walk against a slow and obvious one, and the states that a person would expect."""

import random
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from etl.units.contexts import context_column, find_ancestors, whole_threads, words_as_context
from tests.etl_rows import START, act, acts_batch, thread_key

Acts = list[dict[str, Any]]


def contexts_of(acts: Acts, depth: int = 8, chars: int = 512) -> dict[str, tuple[str, str, list[dict[str, Any]]]]:
    """unit_id -> root state, chain state and context, of every act."""
    batch = acts_batch(acts)
    words = words_as_context(batch["title"], batch["text"], chars)
    ancestors = find_ancestors(batch, words.is_valid().to_numpy(zero_copy_only=False), np.arange(batch.num_rows), depth, np.ones(batch.num_rows, dtype=bool))
    contexts = context_column(batch, words, ancestors, chars).to_pylist()
    return dict(zip(batch["unit_id"].to_pylist(), zip(ancestors.root_states, ancestors.chain_states, contexts, strict=True), strict=True))


def slow_context(acts: Acts, unit: dict[str, Any], depth: int) -> tuple[str, str, list[dict[str, Any]]]:
    """The same by following one parent after the other."""
    by_id = {(thread_key(row), row["unit_id"]): row for row in acts}
    thread = thread_key(unit)
    root_state, chain_state, rows = "none", "none", []
    root = by_id.get((thread, thread))
    opens = unit["unit_id"] == unit["thread_id"]
    if unit["thread_id"] and not opens:
        root_state = "missing" if root is None else "present" if has_words(root) else "deleted"
    parents: Acts = []
    at = unit
    while not opens and slow_parent(acts, at) not in (None, unit["thread_id"]):
        if len(parents) == depth:
            chain_state = "truncated"
            break
        above = by_id.get((thread, slow_parent(acts, at)))
        if above is None:
            chain_state = "missing"
        elif above["unit_id"] in [unit["unit_id"], *(row["unit_id"] for row in parents)]:
            chain_state = "cycle"
        elif not has_words(above):
            chain_state = "deleted"
        else:
            chain_state = "complete"
            parents.append(above)
            at = above
            continue
        break
    rows = ([root] if root_state == "present" else []) + parents[::-1]
    return root_state, chain_state, slow_entries(unit, rows, with_root=root_state == "present")


def slow_parent(acts: Acts, at: dict[str, Any]) -> str | None:
    """What an act answered; in a session, where it says nothing, what the person did before."""
    if at["parent_unit_id"] or at["thread_id"] or not at["session_id"] or not at["user_id"]:
        return at["parent_unit_id"]
    together = [row for row in acts if (row["session_id"], row["user_id"], row["thread_id"]) == (at["session_id"], at["user_id"], None)]
    earlier = [row for row in together if (row["created_at"], row["unit_id"]) < (at["created_at"], at["unit_id"])]
    return max(earlier, key=lambda row: (row["created_at"], row["unit_id"]))["unit_id"] if earlier else None


def slow_entries(unit: dict[str, Any], rows: Acts, with_root: bool) -> list[dict[str, Any]]:
    names = {unit["user_id"]: "self"} if unit["user_id"] else {}
    entries = []
    link = "parent" if unit["thread_id"] else "earlier"
    for position, row in enumerate(rows):
        is_root = with_root and position == 0
        root = "object" if row["action"] == "object" else "root"
        if row["user_id"]:
            names.setdefault(row["user_id"], f"other-{len([name for name in names.values() if name != 'self']) + 1}")
        entries.append({
            "role": root if is_root else link, "unit_id": row["unit_id"], "speaker": names.get(row["user_id"], "unknown"),
            "speaker_id": row["user_id"], "title": row["title"] if is_root else None,
            "text": "\n\n".join(part for part in (row["title"], row["text"]) if part), "created_at": row["created_at"],
        })  # fmt: skip
    return entries


def has_words(row: dict[str, Any]) -> bool:
    return bool(row["title"] or row["text"])


def random_forest(rng: random.Random) -> Acts:
    """Threads with a root or without, missing and deleted links, cycles, links into other threads, few users; sessions besides."""
    acts: Acts = []
    for thread in range(rng.randint(1, 5)):
        thread_id = f"t{thread}"
        if rng.random() < 0.7:
            acts.append(
                act(thread_id, None, thread_id, title=rng.choice([None, "title"]), text=rng.choice([None, "body"]), user_id=rng.choice([None, "u0", "u1"]))
            )
        ids = [f"c{thread}-{number}" for number in range(rng.randint(0, 12))]
        for number, unit_id in enumerate(ids):
            parent = rng.choice([thread_id, *ids[:number], *ids[:number], rng.choice(ids), "nowhere", "c0-0", None])
            user, text = rng.choice([None, "u0", "u1", "u2"]), rng.choice([None, "words", "words", "words"])
            acts.append(act(unit_id, parent, thread_id, user_id=user, text=text, title=rng.choice([None, None, f"title of {unit_id}"])))
    return [*acts, act("alone", None, None), *random_sessions(rng)]


def random_sessions(rng: random.Random) -> Acts:
    """Sessions of one person or two, in which some acts say what led to them, in any order of time."""
    acts: Acts = []
    for session in range(rng.randint(0, 3)):
        ids = [f"s{session}-{number}" for number in range(rng.randint(1, 8))]
        for unit_id in ids:
            parent = rng.choice([None, None, rng.choice(ids), "nowhere"])
            user, text = rng.choice(["u0", "u0", "u0", "u1", None]), rng.choice([None, "words", "words", "words"])
            at = START + timedelta(minutes=rng.randint(0, 5))
            acts.append(act(unit_id, parent, None, session_id=f"s{session}", user_id=user, text=text, created_at=at))
    return acts


@pytest.mark.parametrize("seed", range(60))
def test_walk_finds_what_following_one_parent_after_the_other_finds(seed: int) -> None:
    rng = random.Random(seed)
    acts, depth = random_forest(rng), rng.randint(1, 5)
    found = contexts_of(acts, depth)
    assert found == {row["unit_id"]: slow_context(acts, row, depth) for row in acts}


def test_context_runs_from_the_root_over_the_outermost_parent_to_the_nearest() -> None:
    acts = [act("t", None, title="Title", text="Body"), act("a", "t"), act("b", "a"), act("c", "b")]
    root_state, chain_state, context = contexts_of(acts)["c"]
    assert (root_state, chain_state) == ("present", "complete")
    assert [(entry["role"], entry["text"]) for entry in context] == [("root", "Title\n\nBody"), ("parent", "words of a"), ("parent", "words of b")]


def test_answer_to_the_root_has_no_chain_and_the_root_once() -> None:
    root_state, chain_state, context = contexts_of([act("t", None), act("a", "t")])["a"]
    assert (root_state, chain_state, [entry["role"] for entry in context]) == ("present", "none", ["root"])


def test_context_of_an_act_in_a_session_is_what_the_person_did_before() -> None:
    session = {"thread": None, "session_id": "s", "user_id": "u"}
    acts = [
        act("search 1", **session, action="search", created_at=START),
        act("search 2", **session, action="search", created_at=START + timedelta(minutes=1)),
        act("click 2", "search 2", **session, action="visit", created_at=START + timedelta(minutes=2)),
        act("click 1", "search 1", **session, action="visit", created_at=START + timedelta(minutes=3)),
        act("other", thread=None, session_id="s", user_id="v", created_at=START + timedelta(minutes=1)),
    ]
    found = {
        name: (*states, [(entry["role"], entry["unit_id"], entry["speaker"]) for entry in context]) for name, (*states, context) in contexts_of(acts).items()
    }
    first, second = ("earlier", "search 1", "self"), ("earlier", "search 2", "self")
    assert found == {
        "search 1": ("none", "none", []), "search 2": ("none", "complete", [first]), "click 2": ("none", "complete", [first, second]),
        "click 1": ("none", "complete", [first]), "other": ("none", "none", []),
    }  # fmt: skip


def test_thing_that_is_acted_on_is_the_object_and_not_what_somebody_said() -> None:
    acts = [act("item", None, "item", action="object", user_id=None, title="Kettle"), act("review", "item", "item", action="review")]
    root_state, chain_state, context = contexts_of(acts)["review"]
    assert (root_state, chain_state, [(entry["role"], entry["text"], entry["speaker"]) for entry in context]) == (
        "present", "none", [("object", "Kettle\n\nwords of item", "unknown")],
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(60))
def test_whatever_a_new_act_changes_is_touched(seed: int) -> None:
    rng = random.Random(seed)
    acts = random_forest(rng)
    is_new = {row["unit_id"]: rng.random() < 0.2 for row in acts}
    batch = acts_batch(acts)
    words = words_as_context(batch["title"], batch["text"], 512)
    new = np.array([is_new[unit_id] for unit_id in batch["unit_id"].to_pylist()])
    ancestors = find_ancestors(batch, words.is_valid().to_numpy(zero_copy_only=False), np.arange(batch.num_rows), 4, new)
    touched = {unit_id for unit_id, is_touched in zip(batch["unit_id"].to_pylist(), ancestors.is_touched, strict=True) if is_touched}
    before, after = contexts_of([row for row in acts if not is_new[row["unit_id"]]], 4), contexts_of(acts, 4)
    assert {unit_id for unit_id, context in after.items() if context != before.get(unit_id)} <= touched


def test_what_opens_a_thread_has_no_context() -> None:
    assert contexts_of([act("t", None), act("a", "t")])["t"] == ("none", "none", [])
    assert contexts_of([act("search", None, None)])["search"] == ("none", "none", [])


def test_chain_stops_at_the_first_break_above_the_unit() -> None:
    acts = [act("a", "gone"), act("b", "a", text=None), act("c", "b"), act("d", "c")]
    found = {unit_id: (chain, [entry["unit_id"] for entry in context]) for unit_id, (_, chain, context) in contexts_of(acts).items()}
    assert found == {"a": ("missing", []), "b": ("missing", ["a"]), "c": ("deleted", []), "d": ("deleted", ["c"])}


def test_depth_cuts_the_outermost_parents_and_an_exact_fit_is_complete() -> None:
    acts = [act("a", "t"), act("b", "a"), act("c", "b"), act("d", "c")]
    assert [contexts_of(acts, depth=2)[name][1] for name in "bcd"] == ["complete", "complete", "truncated"]
    assert [entry["unit_id"] for entry in contexts_of(acts, depth=2)["d"][2]] == ["b", "c"]


def test_cycles_end() -> None:
    acts = [act("a", "a"), act("b", "c"), act("c", "b"), act("d", "b")]
    assert [(contexts_of(acts)[name][1], len(contexts_of(acts)[name][2])) for name in "abd"] == [("cycle", 0), ("cycle", 1), ("cycle", 2)]


def test_kept_text_of_a_deleted_account_is_no_break_and_its_speaker_unknown() -> None:
    _, chain_state, context = contexts_of([act("a", "t", user_id=None), act("b", "a")])["b"]
    assert (chain_state, context[0]["speaker"], context[0]["speaker_id"]) == ("complete", "unknown", None)


def test_speakers_are_numbered_by_appearance_and_oneself_is_told_apart() -> None:
    acts = [act("t", None, user_id="x"), *(act(name, above, user_id=user) for name, above, user in zip("abcde", "tabcd", "yxzyz", strict=True))]
    assert [entry["speaker"] for entry in contexts_of(acts)["e"][2]] == ["other-1", "other-2", "other-1", "self", "other-2"]


def test_same_id_in_another_thread_is_no_parent() -> None:
    acts = [act("a", "t1", "t1"), act("b", "a", "t2")]
    assert contexts_of(acts)["b"][1] == "missing"


def test_texts_of_a_context_are_cut() -> None:
    acts = [act("t", None, title="Title", text="x" * 100), act("a", "t", text="äö" * 50), act("b", "a")]
    assert [entry["text"] for entry in contexts_of(acts, chars=10)["b"][2]] == ["Title\n\nxxx", "äöäöäöäöäö"]


def test_titles_of_roots_and_objects_stand_by_themselves_cut_and_those_of_others_do_not() -> None:
    film = act("film", None, "film", action="object", user_id=None, title="Düne: Teil zwei", text="Sand.")
    acts = [act("t", None, title="Slugs", text="Body"), act("a", "t", title="Re: Slugs"), act("b", "a"), film, act("r", "film", "film", action="review")]
    found = contexts_of(acts, chars=4)
    assert [(entry["role"], entry["title"], entry["text"]) for entry in found["b"][2]] == [("root", "Slug", "Slug"), ("parent", None, "Re: ")]
    assert [(entry["role"], entry["title"]) for entry in found["r"][2]] == [("object", "Düne")]
    searches = [act(name, above, None, session_id="s", user_id="u", title="A page") for name, above in [("search", None), ("click", "search")]]
    assert [(entry["role"], entry["title"]) for entry in contexts_of(searches)["click"][2]] == [("earlier", None)]


def test_a_root_without_a_title_has_none() -> None:
    assert [(entry["title"], entry["text"]) for entry in contexts_of([act("t", None), act("a", "t")])["a"][2]] == [(None, "words of t")]


def test_no_acts_have_no_contexts() -> None:
    assert contexts_of([]) == {}


@pytest.mark.parametrize("batch_rows", [1, 2, 3, 7, 100])
def test_no_thread_is_cut_by_a_batch_border(batch_rows: int) -> None:
    threads = [act(f"c{thread}-{number}", thread=f"t{thread}") for thread in range(6) for number in range(thread + 1)]
    whole = acts_batch(threads)
    parts = [whole.slice(start, batch_rows) for start in range(0, whole.num_rows, batch_rows)]
    found = list(whole_threads([parts[0].slice(0, 0), *parts]))
    assert pa.Table.from_batches(found).equals(pa.Table.from_batches([whole]))
    keys = [set(batch["thread_key"].to_pylist()) for batch in found]
    assert sum(map(len, keys)) == len(set.union(*keys)) == 6
