"""Settings of the trainer: how examples are cut, how the encoder is trained, how it is judged."""

from typing import Literal, Self

from pydantic import Field, model_validator

from conf.settings import StageConfig


class ExamplesConfig(StageConfig):
    """`trainer.examples`: everything that decides what stands in `examples`."""

    max_history_units: int = Field(512, gt=1, description="Newest units of a person that an example keeps.")
    cuts_per_person: int = Field(4, gt=0, description="Cuts of one history at most; fewer where they would coincide.")
    min_past_units: int = Field(5, gt=0, description="Units before a cut at least.")
    min_future_labels: int = Field(3, gt=0, description="Labelled units after a cut at least.")
    future_units: int | None = Field(20, gt=0, description="Labelled units after a cut that count as its future; None takes all.")
    validation_share: float = Field(0.15, ge=0, lt=1, description="Share of people held out to choose an encoder by.")
    test_share: float = Field(0.25, ge=0, lt=1, description="Share of people held out to judge the chosen encoder by.")
    past_share: float = Field(0.8, gt=0, le=1, description="Quantile of labelled units' times at which the future period begins.")
    label_set: list[str] | None = Field(None, description="Teacher versions whose labels count; None takes all.")

    @model_validator(mode="after")
    def _somebody_trains(self) -> Self:
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share + test_share leave nobody to train on")
        return self


class EvaluationConfig(StageConfig):
    """`trainer.evaluation`: how an encoder is judged on held-out people."""

    bootstrap_samples: int = Field(1000, gt=0, description="Resamples of people behind an interval.")
    interval: float = Field(0.9, gt=0, lt=1, description="Share of resamples that an interval holds.")
    seed: int = Field(20, description="Seed of the resamples.")
    max_people: int | None = Field(2000, gt=1, description="Held-out people judged at most, in the order of their ids; None takes all.")
    min_period_queries: int = Field(50, gt=0, description="Cuts of the future period from which they are reported apart.")
    mean_label_counts: list[int] = Field([1, 5, 50], description="Newest labels whose mean vector is a baseline, one baseline a number.")
    min_half_units: int = Field(5, gt=0, description="Units in each half of a history for the user-user retrieval.")
    max_other_people: int | None = Field(200, ge=0, description="People beside the held-out ones among whom a second half is looked for; None takes all.")


class TrainingConfig(StageConfig):
    """What decides the weights of an encoder, given the tables; a run is known by these settings."""

    base_model: str = Field("all-MiniLM-L6-v2", description="Sentence encoder to fine-tune: a name, a folder, or a name that a model hub knows.")
    max_tokens: int = Field(1024, gt=8, description="Longest text in tokens; a base with a shorter position table gets it extended.")
    prompts: dict[Literal["query", "specific", "broad", "title", "catalogue"], str] | None = Field(
        None, description="What stands before a text, by side; title and catalogue are like specific unless given. None takes what the base ships, {} nothing."
    )
    pooling: Literal["auto", "mean", "cls", "last"] = Field("auto", description="How tokens become one vector; auto: as the base's folder says.")
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = Field(
        "auto", description="How attention is computed; auto: flash_attention_2 in training on a GPU that has it, else the model's usual one."
    )
    packing: Literal["auto", "padded", "packed"] = Field(
        "auto", description="packed: texts in one row without padding; auto: where the model allows it and it was measured to be cheaper."
    )
    lora_rank: int | None = Field(None, gt=0, description="Rank of the adapters that alone are trained (LoRA); None trains all weights.")
    lora_alpha: int | None = Field(None, gt=0, description="Weight of the adapters, over their rank; None takes twice the rank.")
    lora_targets: list[str] | None = Field(None, description="Names of the linear layers that get an adapter; None takes all of the transformer's.")
    own_chars: int = Field(480, gt=0, description="Characters of a unit's own words in a history.")
    context_chars: int = Field(120, ge=0, description="Characters of each context text in a history.")
    epochs: int = Field(2, gt=0, description="How often each person is seen, each time at one cut.")
    people_per_batch: int = Field(24, gt=1, description="People in one step, over all processes.")
    answers_per_query: int = Field(4, gt=0, description="Positives drawn for each person's cut, over both levels, inside and after.")
    train_on_periods: Literal["past", "all"] = Field(
        "past", description="past: only cuts whose futures lie before the time split; all: every cut. Too few people with a past cut: all."
    )
    learning_rate: float = Field(3e-5, gt=0, description="Peak; it rises over the warm-up and falls in a line to 0.")
    warmup_share: float = Field(0.1, ge=0, lt=1, description="Share of the steps in which the learning rate rises.")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's.")
    temperature: float | None = Field(None, gt=0, description="Of the contrastive loss; None takes the one that fits the base's own scores on the first batch.")
    max_gradient_norm: float = Field(1.0, gt=0, description="Longer gradients are clipped to it.")
    tokens_per_forward: int = Field(8192, gt=0, description="Tokens that go through the model at once, padding counted; bounds memory, not the batch.")
    precision: Literal["auto", "full", "bf16"] = Field("auto", description="Arithmetic of the forward pass; auto: bf16 on a GPU, full on a CPU.")
    seed: int = Field(7, ge=0, description="Of people's order, cuts and positives.")
    shuffle_labels: bool = Field(False, description="Control experiment: everybody gets another person's labels.")

    @model_validator(mode="after")
    def _attention_can_do_it(self) -> Self:
        if self.attention == "flash_attention_2" and self.precision == "full":
            raise ValueError("attention flash_attention_2 computes in bf16 alone; set precision to bf16, or attention to sdpa")
        if self.attention == "eager" and self.packing == "packed":
            raise ValueError("packing packed needs attention sdpa or flash_attention_2; with eager texts are padded")
        return self


class TrainerConfig(TrainingConfig):
    """The `trainer` section."""

    examples: ExamplesConfig = Field(ExamplesConfig(), description="How examples are cut.")
    evaluation: EvaluationConfig = Field(EvaluationConfig(), description="How an encoder is judged.")
