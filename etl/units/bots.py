"""Accounts that are programs: a list that ships with us, and a rule that finds those that repeat themselves."""

from collections.abc import Iterable
from importlib.resources import files

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lake.config import LakeConfig
from lake.presence import check_lake_key
from lake.pseudonyms import load_key, pseudonym

# What changes from one text of a bot to the next: links, names of accounts (also masked ones), digits, and all else that is no letter.
_CHANGING = r"https?://\S+|\bu/(?:\[name\]|[\w\\-]+)|[^\p{L}]+"
# Bots sign what they write, so the end tells them. Measured in benchmarks/RESULTS.md, as are the defaults of `etl.bot_...`.
_CHARS_LOOKED_AT = 300
_LETTERS_OF_AN_ENDING = 20
_COMMON_ENDINGS = 3


def listed_names(platform: str) -> list[str]:
    """Names of the platform's accounts on the list."""
    lines = files("etl.units").joinpath("bots.txt").read_text(encoding="utf-8").splitlines()
    return [line.removeprefix(f"{platform}:") for line in lines if line.startswith(f"{platform}:")]


def listed_bots(platform: str, key: bytes) -> frozenset[str]:
    """`user_id`s of the platform's accounts on the list, as this pseudonym key makes them."""
    return frozenset(pseudonym(key, platform, name) for name in listed_names(platform))


def listed_bots_of_lake(lake: LakeConfig, platforms: Iterable[str]) -> frozenset[str]:
    """`user_id`s of all listed accounts of these platforms. Raises ConfigError where the lake's pseudonym key is not at hand."""
    key = load_key(lake.pseudonym_key_file)
    check_lake_key(lake, key)
    return frozenset[str]().union(*(listed_bots(platform, key) for platform in platforms))


def repeating_users(rows: DataFrame, min_acts: int, min_share: float) -> DataFrame:
    """Accounts (`user_id`) with so many texts, of which so great a share has one of the account's three commonest endings.

    `rows` are acts or units (`user_id`, `title`, `text`; the title is looked at where there is no text); those without a user or letters count nothing.
    An ending is the last letters of a text without digits, names of accounts and links. No text is shuffled.
    """
    hashes = rows.where("user_id IS NOT NULL").select("user_id", F.xxhash64(_ending()).alias("ending"))
    counts = hashes.repartition("user_id").groupBy("user_id", "ending").count()
    # Looked at here and no earlier: Spark would work out every ending twice, once to filter and once to hash it.
    is_text = F.col("ending") != F.xxhash64(F.lit(""))
    commonest_first = Window.partitionBy("user_id").orderBy(is_text.desc(), F.desc("count"), "ending")
    ranked = counts.withColumn("rank", F.row_number().over(commonest_first))
    users = ranked.groupBy("user_id").agg(_count(is_text).alias("texts"), _count(is_text & (F.col("rank") <= _COMMON_ENDINGS)).alias("repeated"))
    return users.where((F.col("texts") >= min_acts) & (F.col("repeated") >= min_share * F.col("texts"))).select("user_id")


def _ending() -> Column:
    words = F.coalesce(F.nullif(F.col("text"), F.lit("")), F.col("title"), F.lit(""))
    letters = F.regexp_replace(F.lower(F.substring(words, -_CHARS_LOOKED_AT, _CHARS_LOOKED_AT)), _CHANGING, "")
    return F.substring(letters, -_LETTERS_OF_AN_ENDING, _LETTERS_OF_AN_ENDING)


def _count(condition: Column) -> Column:
    return F.sum(F.when(condition, F.col("count")))
