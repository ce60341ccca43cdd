"""Settings of the ETL, with every default."""

from datetime import date
from typing import Any, Self

from pydantic import Field, field_serializer, model_validator

from conf.secrets import MASKED
from conf.settings import StageConfig

_CODES = """
aa ab af ak am ar as ay az ba be bg bh bi bn bo br bs ca co cs cy da de dv dz el en eo es et eu fa fi fj fo fr fy ga gd gl gn gu gv ha he hi hr ht hu hy
ia id ie ig ik is it iu ja jv ka kk kl km kn ko ks ku ky la lb lg ln lo lt lv mg mi mk ml mn mr ms mt my na ne nl nn no nr ny oc om or pa pl ps pt qu rm rn
ro ru rw sa sd sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt ug uk ur uz ve vi vo wo xh yi yo za zh zu
"""
LANGUAGES = frozenset(_CODES.split())
"""ISO 639-1 codes of the languages that `etl.units.languages` can tell."""


class UnitFilters(StageConfig):
    """The `etl.filters` section: which acts make no unit. All off by default; an act that is left out may still stand in the context of others."""

    communities_include: tuple[str, ...] = Field((), description="Only these communities, in any case; none: all, also acts without one.")
    communities_exclude: tuple[str, ...] = Field((), description="Not these communities, in any case.")
    date_from: date | None = Field(None, description="First day, UTC.")
    date_to: date | None = Field(None, description="The day after the last, UTC.")
    drop_over_18: bool = Field(False, description="Leave out acts marked as for adults (on Reddit posts alone are).")
    drop_promoted: bool = Field(False, description="Leave out advertisements.")
    drop_stickied: bool = Field(False, description="Leave out what moderators pinned.")
    drop_distinguished: bool = Field(False, description="Leave out what was written as moderator or staff.")
    drop_bots: bool = Field(False, description="Leave out accounts that are listed as bots, and those that repeat themselves (`etl.bot_...`).")
    min_words: int = Field(0, ge=0, le=1000, description="Words of title and text together, as white space parts them.")
    languages: tuple[str, ...] = Field((), description="Only these languages (ISO 639-1 codes, 'no' in quotes); none: all.")
    drop_unknown_language: bool = Field(False, description="With `languages`: leave out texts that are too short or too mixed to tell, too.")

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.date_from and self.date_to and self.date_from >= self.date_to:
            raise ValueError(f"date_from {self.date_from} must be before date_to {self.date_to}, which is the day after the last")
        if both := sorted({name.lower() for name in self.communities_include} & {name.lower() for name in self.communities_exclude}):
            raise ValueError(f"communities both included and excluded: {', '.join(both)}")
        if unknown := sorted(set(self.languages) - LANGUAGES):
            raise ValueError(f"languages that cannot be told: {', '.join(unknown)}; expected codes such as {', '.join(sorted(LANGUAGES)[:3])}")
        if self.drop_unknown_language and not self.languages:
            raise ValueError("drop_unknown_language needs languages")
        return self

    @property
    def are_off(self) -> bool:
        """Whether every act may be a unit."""
        return self == UnitFilters()


class EtlConfig(StageConfig):
    """The `etl` section."""

    # ingest
    max_reject_share: float = Field(
        0.01, ge=0, le=1,
        description="Share of a file's lines that may be rejected before the file is refused. A file of fewer than 1,000 lines counts as 1,000; "
        "one that gives rejects and no act is refused anyhow, unless this is 1.",
    )  # fmt: skip
    reject_chars: int = Field(2000, gt=0, description="Characters of a rejected line that are kept.")
    reject_days: float | None = Field(
        90,
        gt=0,
        description="Days for which a rejected line is kept; the next ingest removes older ones, and Delta's VACUUM or an erasure their bytes. None keeps them for good.",
    )
    honour_deletions: bool = Field(True, description="Drop words that the archive kept but marks as deleted or removed later.")
    decoder_memory_gb: float | None = Field(
        None, gt=0,
        description="Memory, GB, of all tasks together that read files outside the JVM: as many files are read at once as it and the cores allow, at "
        "least one. A month of the archive takes 2.75, a file whose zstd header or size tells less takes less. None is three quarters of what is free "
        "on one machine; on a cluster it is no limit, where executors are sized instead.",
    )  # fmt: skip

    split_file_bytes: int | None = Field(
        256 * 2**20, gt=0,
        description="Bytes above which one file is read by several tasks at once where it would keep one busy longer than the others; None never. "
        "Each task decodes all of the file and parses its share, so that the decoding is paid for by each.",
    )  # fmt: skip

    platforms: dict[str, dict[str, Any]] = Field(
        {},
        description="Options of platforms' parsers, by platform; PLATFORMS.md says which has what. A text among them may name somebody: it is masked wherever settings are kept.",
    )

    # units
    context_depth: int = Field(8, ge=1, description="Parents above a unit that its context holds at most; the root comes besides.")
    context_chars: int = Field(512, gt=0, description="Characters of one text, and of one title, in a context.")
    text_chars: int = Field(4000, gt=0, description="Characters of a unit's own title, and of its own text.")
    filters: UnitFilters = Field(UnitFilters(), description="Which acts make no unit.")
    identify_languages: bool = Field(False, description="Fill in the language of units whose platform tells none; `filters.languages` implies it.")
    mask_contacts: bool = Field(True, description="Mask e-mail addresses and telephone numbers in units, as names of accounts are.")
    bot_min_acts: int = Field(10, ge=2, description="Accounts with fewer acts with words are never taken for bots by what they repeat.")
    bot_repeated_share: float = Field(
        0.9, gt=0, le=1, description="Share of an account's texts that have one of its three commonest endings, from which on it is a bot."
    )
    find_duplicates: bool = Field(True, description="Give units of one partition that say nearly the same one `duplicate_group`, and so one label.")
    duplicate_min_words: int = Field(
        16, ge=2, description="Words, of title and text together, from which on a unit is compared: fewer often mean something else in another context."
    )
    duplicate_similarity: float = Field(
        0.85, ge=0.5, le=1, description="Jaccard similarity of two units' pairs of neighbouring words, as estimated, from which on they say the same."
    )

    # sequences
    units_per_chunk: int = Field(64, gt=0, description="Units in one row of `sequences` at most.")
    chunk_bytes: int = Field(262_144, gt=0, description="Bytes of texts and ids in one row of `sequences` at most; a longer unit stands alone.")
    min_units_per_person: int = Field(5, gt=0, description="People with fewer units get no sequence; theirs wait in `short_sequences`.")
    sequence_buckets: int = Field(
        16, gt=0,
        description="Partitions of `sequences`, by a hash of the person; also how many tasks make them at most. A bucket may have any number of units: what does "
        "not fit into 256 MB of a task's memory goes by way of its local disk, at more cost.",
    )  # fmt: skip
    session_minutes: int = Field(30, gt=0, description="A unit that comes more than so many minutes after the person's one before starts a session.")
    history_source_text_chars: int = Field(
        0,
        ge=0,
        description="Characters of the platform's own form of a unit (`source_text`) inside a history, for encoders of trainer.query_format raw; 0: none.",
    )
    history_text_chars: int = Field(1000, gt=0, description="Characters of a unit's title, and of its text, inside a history.")
    history_context_chars: int = Field(300, gt=0, description="Characters of one text, and of one title, in the context of a unit inside a history.")
    history_parents: int = Field(2, ge=0, description="Nearest parents that a unit keeps inside a history; the root comes besides.")

    @field_serializer("platforms")
    def _without_accounts(self, platforms: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """The options as they are logged and kept with a run: the lake has no names."""
        return {name: {option: MASKED if isinstance(value, str) else value for option, value in given.items()} for name, given in platforms.items()}
