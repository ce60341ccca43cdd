"""Settings of the trainer: how examples are cut, how the encoder is trained, how it is judged."""

from typing import Self

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
    max_people: int | None = Field(2000, gt=1, description="Held-out people judged at most, taken by hash; None takes all.")
    min_period_queries: int = Field(50, gt=0, description="Cuts of the future period from which they are reported apart.")
    mean_label_counts: list[int] = Field([1, 5, 50], description="Newest labels whose mean vector is a baseline, one baseline a number.")
    min_half_units: int = Field(5, gt=0, description="Units in each half of a history for the user-user retrieval.")
    max_other_people: int | None = Field(1000, ge=0, description="People beside the held-out ones among whom a second half is looked for; None takes all.")


class TrainerConfig(StageConfig):
    """The `trainer` section."""

    examples: ExamplesConfig = Field(ExamplesConfig(), description="How examples are cut.")
    evaluation: EvaluationConfig = Field(EvaluationConfig(), description="How an encoder is judged.")
