"""Amazon's reviews and products. Rows have the fields of the data set's card (McAuley-Lab/Amazon-Reviews-2023); their words are invented."""

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.errors import ArchiveError
from etl.ingest.file_counts import FileCounts
from etl.platforms import ParseSettings
from etl.platforms.amazon import ITEM_CHARS, PLATFORM, category
from etl.platforms.streams import WHOLE_FILE, FileSlice
from lake.acts import UNKNOWN_TIME
from lake.pseudonyms import pseudonym
from tests.unit.etl.platforms.any_lines import PIECES, fragments

KEY = bytes(range(32))
SETTINGS = ParseSettings(KEY, rejected_at=datetime(2024, 3, 1, tzinfo=UTC))
USER = "AGKHLEW2SOWHNMFQIJGBECAF7INQ"
REVIEW = {
    "rating": 4.0, "title": "Smells of Tom &amp; roses", "text": "Lasts long.<br /><br />I wrote &lt;br&gt; myself.", "images": [{"small_image_url": "x.jpg"}],
    "asin": "B00YQ6X8EO", "parent_asin": "B00YQ6X8E1", "user_id": USER, "timestamp": 1588687728923, "helpful_vote": 3, "verified_purchase": True,
}  # fmt: skip
ITEM = {
    "main_category": "All Beauty", "title": "Rose spray", "average_rating": 4.8, "rating_number": 10, "features": ["Vegan", "100 ml"],
    "description": ["A spray.<br>Of roses."], "price": 14.99, "images": [], "videos": [], "store": "Rosy", "categories": ["Beauty", "Hair"],
    "details": {"Brand": "Rosy"}, "parent_asin": "B00YQ6X8E1", "bought_together": None,
}  # fmt: skip


def parsed(folder, name, *rows, part=WHOLE_FILE, **settings):
    """(acts, rejects) of a file that holds these rows, or lines of bytes."""
    folder.mkdir(exist_ok=True)
    lines = b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows)
    (folder / name).write_bytes(gzip.compress(lines) if name.endswith(".gz") else lines)
    (file,) = PLATFORM.input_files(str(folder), SETTINGS)
    batches = list(PLATFORM.parse(file, replace(SETTINGS, **settings), part))
    counts = FileCounts()
    for batch in batches:
        counts.add(batch, file)
    acts = [row | {"attributes": dict(row["attributes"])} for batch in batches for row in batch.acts.to_pylist()]
    return acts, [row for batch in batches for row in batch.rejects.to_pylist()]


def one_review(folder, **changes):
    (act,), _ = parsed(folder, "All_Beauty.jsonl", REVIEW | changes)
    return act


def test_a_review_hangs_below_its_product_and_its_words_are_plain(tmp_path):
    (act,), _ = parsed(tmp_path, "All_Beauty.jsonl.gz", REVIEW)
    assert (act["action"], act["user_id"], act["community"]) == ("review", pseudonym(KEY, "amazon", USER), "All Beauty")
    assert act["created_at"] == datetime(2020, 5, 5, 14, 8, 48, 923000, tzinfo=UTC)
    assert (act["title"], act["text"]) == ("Smells of Tom & roses", "Lasts long.\n\nI wrote <br> myself.")
    assert act["thread_id"] == act["parent_unit_id"] == "amazon:item_B00YQ6X8E1"
    assert act["attributes"] == {"rating": "4.0", "helpful_vote": "3", "verified_purchase": "true", "asin": "B00YQ6X8EO"}


def test_a_product_is_an_object_of_nobody_at_the_time_that_means_unknown(tmp_path):
    (act,), _ = parsed(tmp_path, "meta_All_Beauty.jsonl", ITEM)
    assert (act["action"], act["user_id"], act["community"], act["created_at"]) == ("object", None, "All Beauty", UNKNOWN_TIME)
    assert act["unit_id"] == act["thread_id"] == "amazon:item_B00YQ6X8E1"
    assert (act["title"], act["text"]) == ("Rose spray", "Vegan\n100 ml\nA spray.\nOf roses.")
    assert act["attributes"] == {
        "main_category": "All Beauty", "store": "Rosy", "price": "14.99", "average_rating": "4.8", "rating_number": "10", "categories": "Beauty > Hair"
    }  # fmt: skip


def test_a_product_and_its_reviews_lie_in_one_partition(tmp_path):
    (item,), _ = parsed(tmp_path / "items", "meta_All_Beauty.jsonl", ITEM)
    assert one_review(tmp_path / "reviews")["thread_group"] == item["thread_group"]


def test_long_descriptions_are_cut(tmp_path):
    (act,), _ = parsed(tmp_path, "meta_All_Beauty.jsonl", ITEM | {"features": [], "description": ["x" * 2 * ITEM_CHARS]})
    assert len(act["text"]) == ITEM_CHARS


def test_a_copy_of_a_review_has_its_id_and_another_has_not(tmp_path):
    first = one_review(tmp_path)["unit_id"]
    assert one_review(tmp_path, helpful_vote=9, text="edited later")["unit_id"] == first
    others = [{"user_id": "B"}, {"asin": "B000000000"}, {"timestamp": 1588687728924}]
    assert len({first, *(one_review(tmp_path, **change)["unit_id"] for change in others)}) == 4


def test_an_id_gives_no_account_away_to_who_lacks_the_key(tmp_path):
    (act,), _ = parsed(tmp_path, "All_Beauty.jsonl", REVIEW, key=b"another key" * 3)
    assert act["unit_id"] != one_review(tmp_path)["unit_id"]


@pytest.mark.parametrize(
    ("name", "row", "expected"),
    [
        (
            "Books_5.json.gz",  # 2018
            {"overall": 5.0, "vote": "2", "verified": False, "reviewerID": "A2", "asin": "0001", "reviewerName": "Ada L.", "reviewText": "Good.",
             "summary": "Yes", "unixReviewTime": 1514764800, "reviewTime": "01 1, 2018"},
            {"title": "Yes", "text": "Good.", "thread_id": "amazon:item_0001", "community": "Books", "created_at": datetime(2018, 1, 1, tzinfo=UTC),
             "attributes": {"rating": "5.0", "helpful_vote": "2", "verified_purchase": "false", "asin": "0001"}},
        ),
        (
            "reviews_Home_and_Kitchen.json",  # 2014
            {"reviewerID": "A2", "asin": "0001", "helpful": [2, 3], "reviewText": "Good.", "overall": 5.0, "summary": "Yes", "unixReviewTime": 1388534400},
            {"community": "Home and Kitchen", "created_at": datetime(2014, 1, 1, tzinfo=UTC), "attributes": {"rating": "5.0", "asin": "0001"}},
        ),
        (
            "meta_Books.json.gz",  # 2018
            {"asin": "0001", "title": "A book", "feature": ["Thick"], "description": "Of words", "price": "$4.99", "category": ["Books"], "brand": "Ada"},
            {"unit_id": "amazon:item_0001", "text": "Thick\nOf words", "attributes": {"price": "$4.99", "categories": "Books"}},
        ),
    ],
)  # fmt: skip
def test_rows_of_older_editions_give_the_same(tmp_path, name, row, expected):
    (act,), _ = parsed(tmp_path, name, row)
    assert {column: act[column] for column in expected} == expected


def test_lines_that_give_no_act_are_told_with_their_number(tmp_path):
    rows = [REVIEW, b"\n", b"{\n", b"[]\n", REVIEW | {"user_id": None}, REVIEW | {"asin": " "}, REVIEW | {"timestamp": "soon"}, REVIEW | {"parent_asin": "é"}]
    acts, rejects = parsed(tmp_path, "All_Beauty.jsonl", *rows)
    assert [act["line"] for act in acts] == [1]
    reasons = ["empty line", "not json", "not an object", "no user_id", "no asin", "no time", "thread_id: not an id"]
    assert [(reject["line"], reject["reason"]) for reject in rejects] == list(enumerate(reasons, start=2))
    assert rejects[-1]["user_id"] == pseudonym(KEY, "amazon", USER)


def test_files_of_the_data_set_that_hold_no_records_are_left_alone(tmp_path):
    for name in ("asin2category.json", "all_categories.txt", "All_Beauty.csv", "README.md"):
        (tmp_path / name).write_text("{}")
    assert PLATFORM.input_files(str(tmp_path), SETTINGS) == []
    assert category("raw/review_categories/Arts_Crafts_and_Sewing.jsonl") == "Arts Crafts and Sewing"


def test_a_file_that_breaks_off_is_named(tmp_path):
    path = tmp_path / "All_Beauty.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(REVIEW).encode())[:-9])
    (file,) = PLATFORM.input_files(str(tmp_path), SETTINGS)
    with pytest.raises(ArchiveError, match=r"All_Beauty\.jsonl\.gz: cannot be decoded to its end"):
        list(PLATFORM.parse(file, SETTINGS))


def odd_rows(usual):
    changes = st.dictionaries(st.sampled_from(sorted(usual)), fragments, max_size=3)
    return changes.map(lambda odd: "{" + ", ".join(f'"{name}": {odd.get(name, json.dumps(usual[name]))}' for name in usual) + "}")


@given(
    lines=st.lists(odd_rows(REVIEW) | odd_rows(ITEM) | fragments | st.lists(st.sampled_from(PIECES)).map("".join), max_size=6),
    name=st.sampled_from(["All_Beauty.jsonl", "meta_All_Beauty.jsonl"]),
    slices=st.integers(1, 3),
)
def test_whatever_stands_in_a_line_it_is_one_act_or_one_reject(tmp_path_factory, lines, name, slices):
    folder = tmp_path_factory.mktemp("any")
    content = "".join(line.replace("\n", " ") + "\n" for line in lines) + json.dumps(REVIEW)
    given_lines = content.encode("utf-8", "surrogatepass")
    found = [parsed(folder, name, given_lines, part=FileSlice(number, slices), block_bytes=50) for number in range(slices)]
    numbers = [row["line"] for acts, rejects in found for row in (*acts, *rejects)]
    assert sorted(numbers) == list(range(1, len(lines) + 2))
