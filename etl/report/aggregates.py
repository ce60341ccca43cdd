"""What the report counts, as Spark transforms: each reads the few columns that it needs and gives few rows, however large the table."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

PROFILES = "profiles"
"""What stands for all communities that are a person's profile: their pseudonyms say nothing to a reader."""
_PROFILE = "^u_[0-9a-f]{64}$"  # a pseudonym in the place of a name, as Reddit's parser makes it
SCORE = "score"
"""The act's attribute that holds its score, as a string."""


def acts_by_month(acts: DataFrame) -> DataFrame:
    """`rows` by platform, action, month ('2006-01', UTC) and state; how many are `scored`, and how many of these have the score 1 (`scored_one`)."""
    score = F.col("attributes")[SCORE]
    return acts.groupBy("platform", "action", F.date_format("created_at", "yyyy-MM").alias("month"), "state").agg(
        F.count("*").alias("rows"), F.count(score).alias("scored"), F.count_if(score == "1").alias("scored_one")
    )


def rejects_by_reason(rejects: DataFrame) -> DataFrame:
    """Lines that are kept in `rejects` (`rows`), by reason."""
    return rejects.groupBy("reason").agg(F.count("*").alias("rows"))


def units_by_context(units: DataFrame) -> DataFrame:
    """`units` by year, platform, language, both states of the context and its `depth` (entries); how many have a duplicate group (`grouped`).

    Of the contexts the roles alone are read, not the texts.
    """
    depth = F.size(F.col("context")["role"]).alias("depth")
    keys = (F.date_format("created_at", "yyyy").alias("year"), "platform", "language", "root_state", "chain_state", depth)
    return units.groupBy(*keys).agg(F.count("*").alias("units"), F.count("duplicate_group").alias("grouped"))


def with_person_id(units: DataFrame, identities: DataFrame) -> DataFrame:
    """Units with `person_id`: that of their account in `identities`, else the account itself."""
    people = identities.groupBy("user_id").agg(F.min("person_id").alias("joined_id"))
    joined = units.join(F.broadcast(people), "user_id", "left")
    return joined.withColumn("person_id", F.coalesce("joined_id", "user_id")).drop("joined_id")


def people_by_length(units: DataFrame) -> DataFrame:
    """`people` by the power of two that their units reach (`doublings`: 0 is 1 unit, 1 is 2 to 3, 2 is 4 to 7, ...), their `units`, and the `most` of one.

    Takes units with `person_id`.
    """
    people = units.groupBy("person_id").agg(F.count("*").alias("units"))
    doublings = (F.length(F.bin("units")) - 1).alias("doublings")  # binary digits, since a logarithm may fall short of a whole number
    return people.groupBy(doublings).agg(F.count("*").alias("people"), F.sum("units").alias("units"), F.max("units").alias("most"))


def units_by_community(units: DataFrame) -> DataFrame:
    """`units` by platform and community, all profiles of people as one. As many rows as there are communities."""
    return units.groupBy("platform", _community().alias("community")).agg(F.count("*").alias("units"))


def largest(communities: DataFrame, most: int) -> DataFrame:
    """The largest `most` communities, the largest first; ties go by name."""
    return communities.orderBy(F.desc("units"), "platform", F.asc_nulls_last("community")).limit(most)


def histories(sequences: DataFrame) -> DataFrame:
    """One row: `people`, `chunks` and `units` in all sequences."""
    units = F.coalesce(F.sum(F.size(F.col("units")["created_at"])), F.lit(0))
    return sequences.agg(F.count_if(F.col("chunk") == 0).alias("people"), F.count("*").alias("chunks"), units.alias("units"))


def _community() -> Column:
    return F.when(F.col("community").rlike(_PROFILE), PROFILES).otherwise(F.col("community"))
