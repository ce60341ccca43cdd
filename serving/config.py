"""Settings of serving: how vectors are made, where Milvus is, and how queries answer."""

import os
from typing import Literal

from pydantic import Field, SecretStr, field_serializer

from conf.secrets import text_without_secrets
from conf.settings import StageConfig

TOKEN_VARIABLE = "KINDRED_MILVUS_TOKEN"


def _token() -> SecretStr | None:
    token = os.environ.get(TOKEN_VARIABLE)
    return SecretStr(token) if token else None


class EmbedConfig(StageConfig):
    """`serving.embed`: how vectors are made. Nothing of it says which: those of bf16 differ from others in the third digit, and stand beside them."""

    runner: Literal["local", "spark"] = Field(
        "local", description="Where: in this process, or in tasks of Spark, a bucket in each and a model in each process of them."
    )
    precision: Literal["auto", "full", "bf16"] = Field("auto", description="Arithmetic of the forward pass; auto: bf16 on a GPU, full on a CPU.")
    tokens_at_once: int | None = Field(None, gt=0, description="Tokens in one forward pass, padding included; None is 2,048 on a CPU and 65,536 on a GPU.")
    memory_mb: int = Field(
        512, gt=0, description="MiB of histories held at once. With them are the vectors that these people have already, and the texts of 4,096 of them."
    )
    item_buckets: int = Field(
        4, gt=0, description="Partitions of `item_vectors`, by a hash of the item; `items` is read once for each. With another number all items are encoded again, as "
        "all people are with another etl.sequence_buckets.",
    )  # fmt: skip


class ServingConfig(StageConfig):
    """The `serving` section."""

    device: str | None = Field(None, description="torch device of the encoder, e.g. 'cuda'; None takes what is there.")
    embed: EmbedConfig = Field(EmbedConfig(), description="How vectors are made.")
    milvus_uri: str | None = Field(None, description="URI of a Milvus server; None is Milvus Lite in <lake>/_local/milvus.db.")
    milvus_token: SecretStr | None = Field(default_factory=_token, description=f"Credentials of the server, from the environment: {TOKEN_VARIABLE}.")
    alias_prefix: str = Field(
        "", pattern="^([A-Za-z_][A-Za-z0-9_]{0,63})?$", description="What stands before the aliases 'users' and 'items', where several lakes share a server."
    )
    keep_hours: float = Field(
        24, ge=0, le=876_000, description="Hours for which what nobody serves any more is kept: collections of earlier loads (apps may still ask them, and 'kindred serving rollback' goes back to them), and in the lake "
        "the vectors of encoders that another took the place of. They count from the load that took its place.",
    )  # fmt: skip
    timeout_seconds: float = Field(60, gt=0, description="Limit of one request to Milvus.")
    index_type: Literal["FLAT", "HNSW", "AUTOINDEX"] | None = Field(None, description="None is FLAT on Milvus Lite, which has no other, and HNSW on a server.")
    search_ef: int = Field(512, gt=0, description="Candidates that HNSW keeps in a search; filters need many.")
    insert_rows: int = Field(1000, gt=0, description="Rows in one insert.")
    import_folder: str | None = Field(
        None, description="Folder, or URI in the object store, of a Milvus server's own files, into which 'serving load' writes Parquet for the server to import; None inserts rows. "
        "In a store by the lake's storage_options, and in the server's own bucket.",
    )  # fmt: skip
    build_minutes: float = Field(120, gt=0, description="How long a server may take to import a collection, and to build its index, before the load fails.")
    recall_sample: int = Field(
        50, ge=0, description="Vectors of a fresh load whose nearest rows are looked for before the alias moves, and compared with all rows."
    )
    min_recall: float = Field(0.95, ge=0, le=1, description="Share of the ten nearest, by comparing all, that the index must find, with filters and without.")
    top_k: int = Field(10, gt=0, le=1000, description="Hits of a query.")
    shared_topics: int = Field(3, ge=0, description="Topics that similar users are said to share.")
    host: str = Field(
        "127.0.0.1", min_length=1, description="Address that 'serving serve' listens on; one that other machines reach needs serving.tokens_file."
    )
    port: int = Field(8321, ge=0, le=65_535, description="Port that 'serving serve' listens on; 0 takes a free one.")
    tokens_file: str | None = Field(None, description="YAML file of the tokens by which apps are let in, as hashes (SERVING.md); None lets everybody in.")
    request_seconds: float = Field(
        5,
        gt=0,
        description="Limit of one call to Milvus while a request is answered, of the wait for the encoder, and of the time that a body may take to come.",
    )
    max_body_kb: int = Field(2048, gt=0, description="Largest body of a request, in KiB.")
    requests_per_minute: float = Field(600, gt=0, description="Requests of one client (token, or address where there are none), a tenth of them at once.")
    refresh_seconds: float = Field(5, gt=0, description="How often the service looks whether another load is served, Milvus is back, or a token has gone.")
    service_url: str | None = Field(
        None,
        description="Running service that queries of the command line ask; None asks one that serves this lake from this machine, and without one looks itself.",
    )

    @field_serializer("milvus_uri", "import_folder")
    def _without_secrets(self, uri: str | None) -> str | None:
        """The URI as it is logged and kept with a run."""
        return None if uri is None else text_without_secrets(uri)
