"""Settings of the teacher: which model, which prompt, how much to label, what counts as too many rejects, and what an app's catalogue looks like."""

import codecs
import io
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_serializer, field_validator, model_validator

from conf.secrets import settings_without_secrets, text_without_secrets
from conf.settings import StageConfig


class CatalogueConfig(StageConfig):
    """`teacher.catalogue`: an app's own items, a table of ids and words."""

    name: str = Field(pattern="^[a-z0-9][a-z0-9-]{0,39}$", description="Name of the catalogue: `source` of its items.")
    format: Literal["csv", "jsonl", "parquet"] | None = Field(
        None, description="None: as the file's suffix says (.csv, .tsv, .jsonl, .ndjson, .json, .parquet)."
    )
    delimiter: str | None = Field(
        None, min_length=1, max_length=20,
        description="Of csv; None: a tab in .tsv, else a comma. One of several characters ('::') parts cells wherever it stands: such tables know no quotes.",
    )  # fmt: skip
    quotes: bool = Field(True, description="Of csv: whether double quotes enclose cells; if not, they are characters like others.")
    header: tuple[str, ...] | None = Field(None, min_length=1, description="Of csv without a line of names: the names of all its columns, in order.")
    encoding: str = Field("utf-8", description="Of csv and JSON lines, e.g. 'latin-1'; a row with bytes that are none of it is a reject.")
    id: str = Field(description="Column of the id by which acts name an item.")
    text: tuple[str, ...] = Field(min_length=1, description="Columns whose words make the item's text, joined by ', '; blank ones are left out.")
    flags: dict[str, tuple[str, ...]] = Field(
        {}, description="Columns that `text` may name beside the file's: each the names of those of its columns that hold 1 or true, e.g. genres: [drama, war]."
    )
    inner_delimiter: str | None = Field(None, min_length=1, description="What parts words inside a cell, as '|' does in 'Drama|War': they are joined by ', '.")

    @field_validator("name")
    @classmethod
    def _is_no_source_of_ours(cls, given: str) -> str:
        if given == "labels":
            raise ValueError("this is the source of the teacher's labels; give the catalogue another name")
        return given

    @field_validator("encoding")
    @classmethod
    def _is_encoding(cls, given: str) -> str:
        try:
            io.TextIOWrapper(io.BytesIO(), given)  # some that codecs know ('rot13', 'hex') are of no text
            return codecs.lookup(given).name
        except LookupError:
            raise ValueError("no encoding; expected a name such as 'utf-8', 'latin-1', 'cp1252'") from None

    @model_validator(mode="after")
    def _has_columns(self) -> Self:
        if missing := sorted(self.columns() - {*self.header}) if self.header else []:
            raise ValueError(f"no column {missing[0]!r} in header, which names {', '.join(map(repr, self.header or ()))}")
        return self

    def columns(self) -> set[str]:
        """Columns of the file that are read."""
        return {self.id, *(name for name in self.text if name not in self.flags), *(name for names in self.flags.values() for name in names)}


class SampleConfig(StageConfig):
    """`teacher.sample`: which contents are worth a label, and what it would cost to label them."""

    contents: int | None = Field(None, gt=0, description="Contents to label at most; None where `hours` is the budget.")
    hours: float | None = Field(None, gt=0, description="Hours of the engine to spend at most, in place of `contents`; needs a speed, given or measured.")
    units_per_person: int = Field(20, gt=0, description="Units of one person at most.")
    window_units: int = Field(5, gt=0, description="Successive units that are taken together, so that a cut of the history has labels soon after it.")
    min_units: int = Field(3, gt=0, description="People with fewer units that may be taken are passed over; as trainer.examples.min_future_labels.")
    history_units: int = Field(
        512, gt=1, description="Newest units of a person that count; as trainer.examples.max_history_units, since others are not trained on."
    )
    past_units: int = Field(5, ge=0, description="Oldest of these that are left out, since no cut lies before them; as trainer.examples.min_past_units.")
    contents_per_community: int = Field(50_000, gt=0, description="Units of one community at most.")
    balance: float = Field(
        0.5,
        ge=0,
        le=1,
        description="How many people a stratum gives, as a power of how many it has: 1 takes the same share of each, 0 as many of each as there are.",
    )
    probed_prompts: int = Field(400, gt=0, description="Prompts whose tokens are counted for a forecast.")
    tokens_per_second: float | None = Field(
        None,
        gt=0,
        description="Tokens a second that the engine reads (cached ones aside) and writes; None: as measured by the last 'kindred teacher label' with these settings.",
    )
    price_per_hour: float | None = Field(None, ge=0, description="Of what the engine runs on, in any currency; None: no price is told.")

    @model_validator(mode="after")
    def _has_one_budget(self) -> Self:
        if self.contents is not None and self.hours is not None:
            raise ValueError("contents and hours are both set; set one of them")
        return self


KEY_VARIABLE = "KINDRED_TEACHER_KEY"
"""Environment variable with the key of an endpoint."""


class EndpointConfig(StageConfig):
    """`teacher.openai`: an endpoint of OpenAI's kind that answers in place of a vLLM in this process. Its key, if it wants one, stands in the environment (KINDRED_TEACHER_KEY)."""

    base_url: str = Field("http://127.0.0.1:8000/v1", pattern="^https?://", description="Where it is, with the version in its path.")
    requests_at_once: int = Field(64, gt=0, description="Requests under way at one time.")
    timeout_seconds: float = Field(120, gt=0, description="For one answer.")
    retries: int = Field(
        6, ge=0, description="Of one request that got no answer, or one of status 408, 409, 429 or 5xx; each waits longer, or as long as the endpoint says."
    )
    tokenizer: str | None = Field(
        None, description="Folder or hub name of the model's tokenizer: by it long texts are cut to teacher.max_model_tokens, and a forecast counts. None: what the endpoint finds too "
        "long is a reject."
    )  # fmt: skip
    answer_shape: Literal["schema", "json", "free"] = Field(
        "schema",
        description="How JSON is asked of a chat model: by its schema, as any JSON object, or in the words of the prompt alone; for endpoints that know no better.",
    )
    top_logprobs: int = Field(
        20,
        gt=1,
        description="Likeliest tokens of an answer whose log-probabilities are asked for where items are judged; as many as the endpoint gives: 20 of most, 5 of some.",
    )
    body: dict[str, Any] = Field({}, description="Further fields of every request, e.g. chat_template_kwargs: {enable_thinking: false}.")

    @field_serializer("base_url")
    def _without_password(self, base_url: str) -> str:
        """The address as it is logged and kept with a run."""
        return text_without_secrets(base_url)

    @field_serializer("body")
    def _without_secrets(self, body: dict[str, Any]) -> dict[str, Any]:
        """The fields as they are logged and kept with a run."""
        return settings_without_secrets(body)


class AuditConfig(StageConfig):
    """`teacher.audit`: what 'kindred teacher audit' looks at."""

    contents: int = Field(500, gt=1, description="Contents that are looked at, at most; time and memory grow with the square.")
    encoder: str = Field(
        "all-MiniLM-L6-v2",
        description="The frozen encoder that says what is near in meaning: MiniLM comes along, or a sentence-transformers folder or hub name.",
    )
    device: str | None = Field(None, description="Where it runs, e.g. 'cuda:1'; None chooses.")
    same_meaning_cosine: float = Field(0.9, gt=0, le=1, description="Cosine from which two labels say the same; as trainer.evaluation.same_meaning_cosine.")
    page_contents: int = Field(200, gt=0, description="Contents on the page for a reader, at most.")


class JudgeConfig(StageConfig):
    """`teacher.judge`: for what 'kindred teacher judge' judges items, who finds them, and how they are judged."""

    units: int = Field(1000, ge=0, description="Labelled units for which items are judged, at most.")
    histories: int = Field(1000, ge=0, description="Histories up to a cut for which items are judged, at most.")
    per_person: int = Field(8, gt=0, description="Of each of these that one person gives, at most.")
    levels: tuple[Literal["specific", "broad"], ...] = Field(("specific",), min_length=1, description="Levels of the items; each is judged by itself.")
    neighbours: int = Field(20, gt=1, description="Items that are judged for each, the nearest; the teacher's own label besides.")
    encoder: str | None = Field(
        None,
        description="Who finds the nearest: None is the registered champion; a version number or alias of the registry, an encoder's folder, or the folder or hub name of a frozen "
        "sentence-transformers model, as 'all-MiniLM-L6-v2' that comes along.",
    )
    device: str | None = Field(None, description="Where it runs, e.g. 'cuda:1'; None chooses.")
    likelihood: str | None = Field(
        "likelihood",
        description="Prompt by which the words of a unit or history are scored behind an item: the one that comes with Kindred, or a prompt file; None: none.",
    )
    relevance: str | None = Field("relevance", description="Prompt by which an item is put into classes of relevance, likewise.")
    shown_units: int = Field(6, gt=0, description="Newest units of a history that the teacher reads.")
    batch_queries: int = Field(16, gt=0, description="Units and histories judged and committed at once; hundreds on GPUs.")

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.likelihood is None and self.relevance is None:
            raise ValueError("likelihood and relevance are both null; one of them must judge")
        return self


class DistilConfig(StageConfig):
    """`teacher.distil`: a small model that learns to label as a strong teacher did."""

    teacher: str | None = Field(
        None, description="Whose labels are learned: a teacher_version, or how it begins; imported labels have one too. None: 'distil' says which there are."
    )
    base: str = Field(
        "SmolLM2-135M-Instruct",
        description="What learns: the small model out of its wheel, or a folder or hub name of any small chat model (0.1 to 0.6 billion parameters).",
    )
    prompt: str = Field(
        "distilled", description="What the distilled teacher is asked: a chat prompt that comes with Kindred, or the path of one; it goes along with the model."
    )
    contents: int | None = Field(
        None, gt=0, description="Contents to learn from at most, drawn by their hashes: a larger number takes all that a smaller one takes. None takes all."
    )
    min_contents: int = Field(200, gt=0, description="With fewer contents to learn from, or without any to hold out, nothing is trained.")
    held_out_share: float = Field(
        0.25,
        gt=0,
        lt=1,
        description="Share of people whose contents are never learned from, by the hash that trainer.examples.test_share goes by: as large, they are the same people.",
    )
    held_out_contents: int = Field(
        500, gt=1, description="Contents of theirs, at most, that the distilled teacher labels, so that it can be set beside the strong one."
    )
    loss_contents: int = Field(128, gt=0, description="Contents of theirs, at most, whose loss is watched while it learns.")
    epochs: int = Field(2, gt=0, description="Times that each content is learned from, at most.")
    tokens_per_step: int = Field(2048, gt=0, description="Tokens of a step, padding included.")
    learning_rate: float = Field(3e-4, gt=0, description="The highest; it rises over the first steps and falls by a cosine.")
    warmup_share: float = Field(0.05, ge=0, lt=1, description="Share of the steps over which it rises.")
    weight_decay: float = Field(0.01, ge=0, description="Of AdamW.")
    max_gradient_norm: float = Field(1.0, gt=0, description="Gradients are cut to it.")
    precision: Literal["auto", "full", "bf16"] = Field(
        "auto",
        description="Arithmetic of the forward pass; auto is bf16 on GPUs and on processors that have instructions for it (AVX-512 with bf16, AMX), else full.",
    )
    evaluation_steps: int = Field(50, gt=0, description="Steps between two looks at the held-out loss; a checkpoint is kept at each.")
    patience: int = Field(3, gt=0, description="Looks in a row that find no lower loss, after which it ends.")
    hours: float | None = Field(None, gt=0, description="Hours of learning in one run, after which the next look is the last; None: as long as it takes.")
    seed: int = Field(0, ge=0, description="Of the order of contents.")
    registered_model: str = Field("kindred-teacher", description="Name of distilled teachers in the MLflow registry.")
    alias: str = Field("distilled", description="Alias of the best of them; it moves to one that agrees more with the strong teacher on held-out contents.")


class TeacherConfig(StageConfig):
    """The `teacher` section."""

    engine: Literal["vllm", "openai"] = Field("vllm", description="Who answers: vLLM in this process, or an endpoint of OpenAI's kind, as `openai` says.")
    model: str = Field(
        "SmolLM2-135M-Instruct",
        description="The small model out of its wheel, a folder or hub name of any chat model, or a distilled one of the registry ('models:/kindred-teacher@distilled'); with engine openai, "
        "the model's name at the endpoint.",
    )
    prompt: str | None = Field(
        None,
        description="'small' or 'chat', prompts that come with Kindred, or the path of a prompt file; None: what a distilled model learned, else by the model's size, and 'chat' with engine openai.",
    )
    max_units: int | None = Field(
        None,
        gt=0,
        description="Units to label at most, by whole people in the order of a hash of their id; None labels everybody's. Counts where there is no sample.",
    )
    min_units_per_person: int = Field(5, gt=0, description="With max_units: people with fewer units are passed over.")
    use_sample: bool = Field(True, description="Label the contents of `label_sample` alone, where 'kindred teacher sample' has picked some.")
    asked_by: str | None = Field(
        None,
        description="Label contents alone that this other teacher (its teacher_version) was asked about, audit.contents of them, so that 'kindred teacher audit' can compare both.",
    )
    audit: AuditConfig = Field(AuditConfig(), description="What 'kindred teacher audit' looks at.")
    sample: SampleConfig = Field(SampleConfig(), description="What 'kindred teacher sample' picks.")
    judge: JudgeConfig = Field(JudgeConfig(), description="What 'kindred teacher judge' judges.")
    distil: DistilConfig = Field(DistilConfig(), description="What 'kindred teacher distil' trains.")
    batch_units: int = Field(64, gt=0, description="Contents labelled and committed at once, after which what prompts share is read anew; thousands on GPUs.")
    max_model_tokens: int = Field(2048, gt=0, description="Context length of the model in tokens, prompt and completion together.")
    dtype: str | None = Field(None, description="Number type of the weights in vLLM's words; None is float32 on a CPU and the model's own elsewhere.")
    vllm: dict[str, Any] = Field({}, description="Further arguments of vLLM's LLM, e.g. tensor_parallel_size or gpu_memory_utilization.")
    kv_cache_gigabytes: int = Field(1, gt=0, description="Memory for attention's cache on a CPU; GPUs go by vllm.gpu_memory_utilization.")
    openai: EndpointConfig = Field(EndpointConfig(), description="The endpoint, with engine openai.")
    max_reject_share: float = Field(0.5, ge=0, le=1, description="Share of the contents asked about that may come to no label before the job fails.")
    imported_ids: tuple[Annotated[str, Field(pattern=r"\{id\}")], ...] = Field(
        ("reddit:t1_{id}", "reddit:t3_{id}", "reddit:{id}"),
        description="What unit the platform's own 'id' of an imported label may mean: patterns of unit ids; the first that names a unit counts.",
    )
    imported_model: str | None = Field(None, description="Name of the model whose labels are imported; None is the file's name.")
    catalogue: CatalogueConfig | None = Field(None, description="An app's own items, as 'kindred teacher import-items' reads them; None: there are none.")

    @field_validator("engine", mode="before")
    @classmethod
    def _is_no_longer_of_vllm(cls, given: Any) -> Any:
        if isinstance(given, dict):
            raise ValueError("is 'vllm' or 'openai'; arguments of vLLM's LLM are teacher.vllm now")
        return given
