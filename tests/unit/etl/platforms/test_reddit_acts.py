"""Each drift of two decades of dumps: what a row means as an act."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from etl.platforms import accounts
from etl.platforms.reddit.ids import base36, thread_group
from lake.pseudonyms import pseudonym
from tests.unit.etl.platforms.reddit_rows import KEY, SETTINGS, comment, one_act, parse_lines, submission

MOMENT = datetime(2009, 9, 1, tzinfo=UTC)


def test_a_comment_becomes_an_act_with_prefixed_ids():
    act = one_act(comment(id="c7", parent_id="t1_c3", score=5))
    assert (act["unit_id"], act["parent_unit_id"], act["thread_id"]) == ("reddit:t1_c7", "reddit:t1_c3", "reddit:t3_abc")
    assert (act["action"], act["community"], act["text"], act["title"], act["state"]) == ("comment", "tea", "words", None, "kept")
    assert (act["created_at"], act["line"], act["attributes"]) == (MOMENT, 1, {"score": "5"})


def test_a_submission_opens_its_own_thread():
    act = one_act(submission(over_18=True, num_comments=0), "submissions")
    assert (act["unit_id"], act["thread_id"], act["parent_unit_id"]) == ("reddit:t3_abc", "reddit:t3_abc", None)
    assert (act["action"], act["title"], act["text"], act["url"]) == ("post", "a title", None, "http://example.com/")
    assert act["attributes"] == {"num_comments": "0", "over_18": "true"}


@pytest.mark.parametrize("field", ["promoted", "is_created_from_ads_ui"])
def test_an_advertisement_says_so_whatever_its_era_called_it(field):
    assert one_act(submission(**{field: True}), "submissions")["attributes"] == {"promoted": "true"}
    assert one_act(submission(**{field: False}), "submissions")["attributes"] == {}


@pytest.mark.parametrize(("value", "cast"), [(1_251_763_200, None), ("1251763200", "string"), (1_251_763_200.0, "float"), ("1251763200.0", "string")])
def test_times_of_every_era_are_the_same_moment_and_casts_are_counted(value, cast):
    batch = parse_lines(comment(created_utc=value))
    assert batch.acts["created_at"].to_pylist() == [MOMENT]
    assert dict(batch.casts) == ({f"created_utc: {cast}": 1} if cast else {})


@pytest.mark.parametrize("value", ["soon", 0, -5, 1_251_763_200_000, 10**400, 1e300, [1], True, "nan"])
def test_a_row_without_a_time_is_a_reject(value):
    (reject,) = parse_lines(comment(created_utc=value)).rejects.to_pylist()
    assert reject["reason"] in ("created_utc: not a time", "no created_utc")


def test_one_odd_row_among_many_costs_only_itself():
    batch = parse_lines(comment(id="c1"), comment(id=...), comment(id="c3", link_id="t3_../x"), comment(id="c4"))
    assert batch.acts["line"].to_pylist() == [1, 4]
    assert [(row["line"], row["reason"]) for row in batch.rejects.to_pylist()] == [(2, "no id"), (3, "link_id: not an id")]


@pytest.mark.parametrize(
    ("parent", "expected"),
    [
        ("t1_c3", "t1_c3"),
        ("t3_abc", "t3_abc"),
        (None, "t3_abc"),
        (..., "t3_abc"),
        ("abc", "t3_abc"),
        ("c3", "t1_c3"),
        (int("c3", 36), "t1_c3"),
        (13368, "t3_abc"),
    ],
)
def test_parents_prefixed_bare_integer_or_null_are_found(parent, expected):
    assert one_act(comment(parent_id=parent))["parent_unit_id"] == f"reddit:{expected}"


def test_ids_without_prefix_and_integer_ids_are_the_same_as_prefixed_ones():
    for native, link in (("c3", "abc"), ("t1_c3", "t3_abc"), (int("c3", 36), int("abc", 36))):
        act = one_act(comment(id=native, link_id=link, parent_id=None))
        assert (act["unit_id"], act["thread_id"]) == ("reddit:t1_c3", "reddit:t3_abc")


def test_digits_in_a_string_are_base_36_as_they_stand():
    assert one_act(submission(id="87"), "submissions")["unit_id"] == "reddit:t3_87"


def test_a_comment_that_names_no_link_takes_it_from_its_parent():
    assert one_act(comment(link_id=...))["thread_id"] == "reddit:t3_abc"
    without = one_act(comment(link_id=..., parent_id="t1_c3"))
    assert (without["thread_id"], without["thread_group"]) == (None, "none")


def test_thread_groups_are_ranges_of_ten_million_threads():
    assert thread_group("t3_" + base36(9_999_999)) == "0"
    assert thread_group("t3_" + base36(10_000_000)) == "1"
    assert thread_group("t3_" + base36(1_700_000_000)) == "170"
    assert thread_group("t3_Not-a-number").startswith("other-")
    assert thread_group("t3_" + "z" * 20).startswith("other-")


def test_users_are_pseudonyms_of_lower_cased_names():
    assert one_act(comment(author="Ada"))["user_id"] == one_act(comment(author="ADA"))["user_id"] == pseudonym(KEY, "reddit", "ada")


def test_accounts_are_forgotten_where_too_many_are_known_and_keep_their_pseudonyms(monkeypatch):
    monkeypatch.setattr(accounts, "PSEUDONYMS_KEPT", 3)
    names = [f"writer_{number}" for number in (1, 2, 3, 4, 1, 5)]
    known = accounts.UserIds("reddit", KEY)
    assert [known[name] for name in names] == [pseudonym(KEY, "reddit", name) for name in names]
    assert list(known) == ["writer_4", "writer_1", "writer_5"]


@pytest.mark.parametrize("author", ["[deleted]", "[removed]", None, "", ...])
def test_deleted_accounts_are_nobody_but_their_text_stays(author):
    act = one_act(comment(author=author))
    assert (act["user_id"], act["text"], act["state"]) == (None, "words", "kept")


@pytest.mark.parametrize(("name", "kind"), [("u_Ada", "user"), ("u_Ada", None), ("u/Ada", None), ("Ada", "user"), ("U_ada", "public")])
def test_a_profile_community_carries_no_name(name, kind):
    assert one_act(comment(subreddit=name, subreddit_type=kind))["community"] == f"u_{pseudonym(KEY, 'reddit', 'ada')}"


def test_no_column_but_the_words_holds_a_name():
    row = submission(
        author="Ada_Lovelace",
        subreddit="u_Ada_Lovelace",
        permalink="/r/u_Ada_Lovelace/comments/abc/",
        url="https://www.reddit.com/user/Ada_Lovelace/comments/xyz/",
    )
    assert "lovelace" not in str(one_act(row, "submissions")).lower()
    kept = one_act(row, "submissions", replace(SETTINGS, keep_names=True))
    assert kept["attributes"]["user_name"] == "Ada_Lovelace"


def test_a_link_to_its_own_page_is_no_link():
    assert one_act(submission(url="https://www.reddit.com/r/tea/comments/abc/a_title/"), "submissions")["url"] is None
    assert one_act(submission(is_self=True), "submissions")["url"] is None


def test_text_is_unescaped_once_and_loses_nul_characters():
    batch = parse_lines(comment(body="a\0b &amp;lt; &gt;"))
    assert batch.acts["text"].to_pylist() == ["ab &lt; >"]
    assert batch.casts["body: NUL character"] == 1


def test_a_character_reference_without_end_stays_as_it_is_and_is_counted():
    endless = "&#" + "9" * 5000 + ";"
    batch = parse_lines(comment(body=endless), comment(body="&gt;"))
    assert batch.acts["text"].to_pylist() == [endless, ">"]
    assert batch.casts["body: endless character reference"] == 1


@pytest.mark.parametrize(("body", "state"), [("[deleted]", "deleted"), ("[removed]", "removed"), ("[ Removed by Reddit ]", "removed")])
def test_marks_in_the_place_of_text_are_states(body, state):
    assert (one_act(comment(body=body))["state"], one_act(comment(body=body))["text"]) == (state, None)
    post = one_act(submission(selftext=body), "submissions")
    assert (post["state"], post["text"], post["title"]) == (state, None, "a title")


@pytest.mark.parametrize(
    ("meta", "state"), [({"was_deleted_later": True}, "deleted"), ({"was_deleted_later": True, "removal_type": "removed by reddit"}, "removed"), ({}, "kept")]
)
def test_what_the_archive_marks_as_deleted_later_is_honoured_by_default(meta, state):
    row = comment(_meta=meta)
    act, unhonoured = one_act(row), one_act(row, settings=replace(SETTINGS, honour_deletions=False))
    assert (act["state"], act["text"]) == (state, "words" if state == "kept" else None)
    assert (unhonoured["state"], unhonoured["text"]) == ("kept", "words")
    assert act["attributes"] == unhonoured["attributes"] == ({"deleted_later": "true"} if meta else {})


def test_a_post_that_its_author_deleted_later_keeps_no_words_at_all():
    gone = one_act(submission(selftext="text", _meta={"was_deleted_later": True, "removal_type": "deleted"}), "submissions")
    assert (gone["title"], gone["text"], gone["url"], gone["state"]) == (None, None, None, "deleted")
    removed = one_act(submission(selftext="text", removed_by_category="moderator"), "submissions")
    assert (removed["title"], removed["text"], removed["state"]) == ("a title", None, "removed")


@pytest.mark.parametrize(("edited", "expected"), [(False, None), (None, None), (True, "true"), (1_251_763_300, "1251763300"), (1_251_763_300.0, "1251763300")])
def test_edits_are_a_time_or_true(edited, expected):
    assert one_act(comment(edited=edited))["attributes"].get("edited") == expected


@pytest.mark.parametrize(("score", "expected"), [(3, "3"), (None, None), (..., None), ("7", "7"), (2.0, "2"), ("many", None), ([], None)])
def test_scores_of_any_type_are_whole_numbers_or_left_out(score, expected):
    assert one_act(comment(score=score))["attributes"].get("score") == expected


def test_retrieval_times_go_by_either_name_and_may_be_absent():
    moments = [
        one_act(comment(**fields))["retrieved_at"] for fields in ({"retrieved_on": 1_251_763_200}, {"retrieved_utc": "1251763200"}, {}, {"retrieved_on": "x"})
    ]
    assert moments == [MOMENT, MOMENT, None, None]


def test_a_row_without_subreddit_has_no_community():
    assert one_act(submission(subreddit=...), "submissions")["community"] is None


def test_odd_types_of_other_fields_are_cast_or_left_out_and_counted():
    batch = parse_lines(comment(author=123, stickied=1, distinguished=["moderator"]))
    (act,) = batch.acts.to_pylist(maps_as_pydicts="strict")
    assert (act["user_id"], act["attributes"]) == (pseudonym(KEY, "reddit", "123"), {"stickied": "true"})
    assert dict(batch.casts) == {"author: integer": 1, "stickied: integer": 1, "distinguished: array": 1}


def test_rows_of_the_other_kind_are_rejects():
    assert parse_lines(submission()).rejects["reason"].to_pylist() == ["not a comment"]
    assert parse_lines(comment(), kind="submissions").rejects["reason"].to_pylist() == ["not a submission"]


def test_an_empty_block_of_rejects_has_no_acts():
    batch = parse_lines(b"\n")
    assert (batch.acts.num_rows, batch.rejects["reason"].to_pylist()) == (0, ["empty line"])
