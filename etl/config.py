"""Settings of the ETL, with every default."""

from pydantic import Field

from conf.settings import StageConfig


class EtlConfig(StageConfig):
    """The `etl` section."""

    # ingest
    max_reject_share: float = Field(
        0.01, ge=0, le=1,
        description="Share of a file's lines that may be rejected before the file is refused. A file of fewer than 1,000 lines counts as 1,000; "
        "one that gives rejects and no act is refused anyhow, unless this is 1.",
    )  # fmt: skip
    reject_chars: int = Field(2000, gt=0, description="Characters of a rejected line that are kept.")
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

    # units
    context_depth: int = Field(8, ge=1, description="Parents above a unit that its context holds at most; the root comes besides.")
    context_chars: int = Field(512, gt=0, description="Characters of one text in a context.")
    text_chars: int = Field(4000, gt=0, description="Characters of a unit's own title, and of its own text.")

    # sequences
    units_per_chunk: int = Field(64, gt=0, description="Units in one row of `sequences` at most.")
    chunk_bytes: int = Field(262_144, gt=0, description="Bytes of texts and ids in one row of `sequences` at most; a longer unit stands alone.")
    min_units_per_person: int = Field(5, gt=0, description="People with fewer units get no sequence.")
    sequence_buckets: int = Field(16, gt=0, description="Partitions of `sequences`, by a hash of the person; also how many tasks make them.")
    history_text_chars: int = Field(1000, gt=0, description="Characters of a unit's title, and of its text, inside a history.")
    history_context_chars: int = Field(300, gt=0, description="Characters of one text in the context of a unit inside a history.")
    history_parents: int = Field(2, ge=0, description="Nearest parents that a unit keeps inside a history; the root comes besides.")
