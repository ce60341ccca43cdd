"""Settings of the teacher: which model, which prompt, how much to label, and what counts as too many rejects."""

from typing import Annotated, Any

from pydantic import Field

from conf.settings import StageConfig


class TeacherConfig(StageConfig):
    """The `teacher` section."""

    model: str = Field("SmolLM2-135M-Instruct", description="The small model out of its wheel, or a folder or hub name of any chat model.")
    prompt: str | None = Field(
        None, description="'small' or 'chat', the prompts that come with Kindred, or the path of a prompt file; None is chosen by the model's size."
    )
    max_units: int | None = Field(
        None, gt=0, description="Units to label at most, by whole people in the order of a hash of their id; None labels everybody's."
    )
    min_units_per_person: int = Field(5, gt=0, description="With max_units: people with fewer units are passed over.")
    batch_units: int = Field(64, gt=0, description="Contents labelled and committed at once; thousands on GPUs.")
    max_model_tokens: int = Field(2048, gt=0, description="Context length of the model in tokens, prompt and completion together.")
    dtype: str | None = Field(None, description="Number type of the weights in vLLM's words; None is float32 on a CPU and the model's own elsewhere.")
    engine: dict[str, Any] = Field({}, description="Further arguments of vLLM's LLM, e.g. tensor_parallel_size or gpu_memory_utilization.")
    kv_cache_gigabytes: int = Field(1, gt=0, description="Memory for attention's cache on a CPU; GPUs go by engine.gpu_memory_utilization.")
    max_reject_share: float = Field(0.5, ge=0, le=1, description="Share of a run's completions that may be rejects before the job fails.")
    imported_ids: tuple[Annotated[str, Field(pattern=r"\{id\}")], ...] = Field(
        ("reddit:t1_{id}", "reddit:t3_{id}", "reddit:{id}"),
        description="What unit the platform's own 'id' of an imported label may mean: patterns of unit ids; the first that names a unit counts.",
    )
    imported_model: str | None = Field(None, description="Name of the model whose labels are imported; None is the file's name.")
