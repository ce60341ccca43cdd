"""Settings of the lake: where tables, registry and key live, and how a Spark session starts."""

from pathlib import Path

from pydantic import Field, field_serializer

from conf.secrets import options_without_secrets, text_without_secrets, uri_without_password
from conf.settings import StageConfig


class LakeConfig(StageConfig):
    """The `lake` section."""

    path: str = Field("lake-local", min_length=1, description="Folder or URI that holds one Delta table per folder.")
    storage_options: dict[str, str] = Field(
        {},
        description="Options of the object store for readers without Spark, by delta-rs's names, e.g. region, endpoint_url, allow_http. Credentials may stand "
        "here or in the environment (AWS_ACCESS_KEY_ID, ...), and are masked wherever settings are kept.",
    )  # fmt: skip
    spark_master: str | None = Field(None, description="Spark master; None leaves it to spark-submit, or local[*] without one.")
    spark_settings: dict[str, str] = Field({}, description="Further Spark settings, e.g. spark.executor.memory.")
    shuffle_partitions: int | None = Field(
        None, gt=0, description="Spark's shuffle partitions; None is the cores' number on one machine, Spark's default elsewhere."
    )
    driver_memory: str = Field("4g", description="Memory of a local Spark's one JVM; spark-submit's own setting wins.")
    write_buffer_mb: int = Field(
        128, ge=0, description="Rows that a task holds before it writes them to a file, in MB of memory; what comes together is read together."
    )
    mlflow_uri: str | None = Field(None, description="MLflow tracking and registry; None is SQLite in <lake>/_local.")
    registered_model: str = Field("kindred-encoder", description="Name of the encoder in the MLflow registry.")
    encoder_alias: str = Field("champion", description="Alias by which the encoder is loaded.")
    pseudonym_key_file: str = Field("~/.config/kindred/pseudonym.key", description="File of the key that makes user ids; made at the first ingest if absent.")
    keep_names: bool = Field(False, description="Keep the account's name in an act's attributes ('user_name'). Off: the lake has no names.")
    cache_dir: str = Field("~/.cache/kindred", description="Converted models and a fetched Java.")

    @field_serializer("storage_options", "spark_settings")
    def _without_secrets(self, options: dict[str, str]) -> dict[str, str]:
        """Options as they are logged and kept with a run."""
        return options_without_secrets(options)

    @field_serializer("path")
    def _without_password(self, path: str) -> str:
        """The path as it is logged and kept with a run."""
        return uri_without_password(path)

    @field_serializer("mlflow_uri")
    def _uri_without_secrets(self, uri: str | None) -> str | None:
        """The URI as it is logged and kept with a run."""
        return None if uri is None else text_without_secrets(uri)

    def for_other_folders(self) -> "LakeConfig":
        """These settings as a process needs them that runs in another folder, such as a Spark executor: the lake's path is absolute.

        The key's file stays as it is: each process looks for it from its own folder, or in its own account's home.
        """
        return self if "://" in self.path else self.model_copy(update={"path": str(Path(self.path).expanduser().resolve())})

    def local_dir(self) -> Path:
        """Folder of what lives beside a local lake's tables (MLflow's SQLite, Milvus Lite)."""
        return Path(self.path).expanduser().resolve() / "_local"
