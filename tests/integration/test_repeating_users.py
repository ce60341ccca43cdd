"""The rule that finds accounts which repeat themselves, on Spark."""

import re
from collections.abc import Iterable

from pyspark.sql import DataFrame, SparkSession

from etl.units.bots import repeating_users

SIGNED = "\n\n^(I am a bot, and this was done by itself. Write to u/{name} or https://example.com/{name}/{number})"


def texts_of(user_id: str | None, texts: Iterable[str | None]) -> list[tuple[str | None, str | None, str | None]]:
    return [(user_id, None, text) for text in texts]


def rows_of(spark: SparkSession, *users: list[tuple[str | None, str | None, str | None]]) -> DataFrame:
    return spark.createDataFrame([row for rows in users for row in rows], "user_id string, title string, text string")


def found(rows: DataFrame, min_acts: int = 10, min_share: float = 0.9) -> set[str]:
    return {row.user_id for row in repeating_users(rows, min_acts, min_share).collect()}


def different(count: int) -> list[str]:
    """Texts that end in different words."""
    return [f"what I think of it is {chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(count)]


def test_texts_that_end_alike_but_for_numbers_names_and_links_make_a_bot(spark: SparkSession) -> None:
    bot = texts_of("bot", [f"{text}{SIGNED.format(name=f'asker_{number}', number=number)}" for number, text in enumerate(different(12))])
    masked = texts_of("masked", [f"{text} asked u/[name] {number}" for number, text in enumerate(["Hello there my friend,"] * 10)])
    person = texts_of("person", different(50))
    assert found(rows_of(spark, bot, masked, person)) == {"bot", "masked"}


def test_three_endings_are_common_and_a_fourth_is_not(spark: SparkSession) -> None:
    three = texts_of("three", (different(3) * 4)[:10])
    four = texts_of("four", (different(4) * 3)[:10])
    assert found(rows_of(spark, three, four)) == {"three"}


def test_the_share_and_the_number_of_acts_count_from_their_thresholds_on(spark: SparkSession) -> None:
    nine_of_ten = texts_of("nine of ten", ["the same"] * 7 + different(3))
    eight_of_ten = texts_of("eight of ten", ["the same"] * 6 + different(4))
    too_few = texts_of("too few", ["the same"] * 9)
    rows = rows_of(spark, nine_of_ten, eight_of_ten, too_few)
    assert found(rows) == {"nine of ten"}
    assert found(rows, min_share=0.8) == {"nine of ten", "eight of ten"}
    assert found(rows, min_acts=9) == {"nine of ten", "too few"}


def test_titles_stand_in_for_missing_texts_and_what_has_no_letters_counts_nothing(spark: SparkSession) -> None:
    posts: list[tuple[str | None, str | None, str | None]] = [("poster", f"Daily thread, {day} May", text) for day, text in enumerate([None, ""] * 5)]
    links = texts_of("links", [f"https://example.com/{number}" for number in range(20)])
    links_and_words = texts_of("links and words", [*(f"https://example.com/{number}" for number in range(20)), *["the same"] * 9])
    nobody = texts_of(None, ["the same"] * 20)
    assert found(rows_of(spark, posts, links, links_and_words, nobody)) == {"poster"}


def test_no_accounts_have_no_bots(spark: SparkSession) -> None:
    assert found(rows_of(spark)) == set()


def test_one_shuffle_moves_ids_and_hashes_and_no_text(spark: SparkSession) -> None:
    bots = repeating_users(rows_of(spark, texts_of("a", ["text"])), 10, 0.9)
    plan = bots._jdf.queryExecution().executedPlan().toString().splitlines()
    (exchange,) = [number for number, line in enumerate(plan) if "Exchange" in line]
    assert re.fullmatch(r"[ +-]*Project \[user_id#\d+, xxhash64\(.*\) AS ending#\d+L\]", plan[exchange + 1])
    assert sum(line.count("regexp_replace") for line in plan) == 1  # the costly part is done once a text
