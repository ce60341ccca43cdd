"""Settings of the trainer: how examples are cut, how the encoder is trained, how it is judged."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from conf.settings import StageConfig

Source = Literal["titles", "labels", "catalogue"]
"""Where answers come from: titles of what a person enters next, the teacher's labels, or items of an app's catalogue that a person acts on next."""

Share = Annotated[float, Field(gt=0, lt=1)]


class ExamplesConfig(StageConfig):
    """`trainer.examples`: everything that decides what stands in `examples`."""

    max_history_units: int = Field(512, gt=1, description="Newest units of a person that an example keeps.")
    cuts_per_person: int = Field(4, gt=0, description="Cuts of one history at most; fewer where they would coincide.")
    min_past_units: int = Field(5, gt=0, description="Units before a cut at least.")
    min_future_labels: int = Field(3, gt=0, description="Labelled units after a cut at least.")
    future_units: int | None = Field(20, gt=0, description="Labelled units after a cut that count as its future; None takes all.")
    min_future_units: int = Field(3, gt=0, description="Units after a cut for titles or catalogue items at least.")
    title_units: int = Field(20, gt=0, description="Units after a cut among which a person enters threads whose titles are answers.")
    catalogue_units: int = Field(20, gt=0, description="Units after a cut among which a person acts on catalogue items that are answers.")
    catalogue_ids: tuple[Annotated[str, Field(pattern=r"\{id\}")], ...] = Field(
        ("{source}:{id}", "{source}:object_{id}", "{source}:item_{id}", "{id}"),
        description="Under which ids acts name a catalogue's items: patterns of the id of a unit's thread or object, in which {id} is the item's external_id "
        "and {source} the catalogue's name; of several items of one id the one of the first pattern counts.",
    )
    validation_share: float = Field(0.15, ge=0, lt=1, description="Share of people held out to choose an encoder by.")
    test_share: float = Field(0.25, ge=0, lt=1, description="Share of people held out to judge the chosen encoder by.")
    held_out_communities: list[str] = Field([], description="Communities held out to judge by: whoever ever acted in one belongs to split test.")
    held_out_topics: Share | Annotated[list[str], Field(min_length=1)] | None = Field(
        None,
        description="Topics held out to judge by: a share of all broad labels, by a hash of their words, or these. In training they, all specific labels ever given beside one of them, and titles of "
        "what carries such a label are no answers and no negatives, stand in no history that is read as labels, and count in nothing. None holds none out.",
    )
    held_out_acts: Literal["last", "later"] | None = Field(
        None,
        description="None: whole people are held out, by the two shares. Else everybody is trained on, as recommender systems usually are, and asked about catalogue items acted on for the "
        "first time after what was trained on: last, each person's last one (to judge by) and the one before (to choose by); later, all that come after the time split past_share (to judge "
        "by) and all of the validation_share of units before it (to choose by).",
    )
    past_share: float = Field(0.8, gt=0, le=1, description="Quantile of labelled units' times at which the future period begins.")
    hard_negative_grade: float = Field(
        0.25, ge=0, le=1, description="Grade of a judged item (`judgements`) up to which it is a hard negative of the history that it was judged for."
    )
    judged_positives: bool = Field(
        False,
        description="The item that was judged best for a unit (`judgements`) takes the place of its label, where that got a lower grade; of people to train on alone.",
    )
    label_set: list[str] | None = Field(None, description="Teacher versions whose labels count; None takes all.")
    memory_mb: int = Field(1024, gt=0, description="MiB of histories held at once while examples are made.")
    labels_at_once: int = Field(5_000_000, gt=0, description="Labels held at once; where there are more, histories are read several times.")

    @model_validator(mode="after")
    def _somebody_trains(self) -> Self:
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share + test_share leave nobody to train on")
        if self.held_out_acts and self.held_out_communities:
            raise ValueError("held_out_communities hold whole people out, and held_out_acts trains on everybody; set one of them")
        if self.held_out_acts and self.held_out_topics:
            raise ValueError("held_out_topics ask people whom training never saw, and held_out_acts trains on everybody; set one of them")
        if self.held_out_acts == "later" and self.validation_share >= self.past_share:
            raise ValueError("held_out_acts later trains on the units before past_share - validation_share, which leaves none; lower validation_share")
        return self


class EvaluationConfig(StageConfig):
    """`trainer.evaluation`: how an encoder is judged on held-out people."""

    matched_days: float = Field(45, gt=0, le=36_500, description="Two labels of one community meet in the matched personal AUC when no more days lie between.")
    matched_min_others: int = Field(5, gt=0, description="Other people who have a label near a label, at least, for it to count in the matched personal AUC.")
    same_meaning_cosine: float = Field(
        0.9,
        gt=0,
        le=1,
        description="Cosine to a true item, of the untouched base's vectors of their words, from which another item says the same, for recall by meaning.",
    )
    min_people_to_choose: int = Field(10, gt=2, description="Validation people below which the encoder that is served stays what it is.")
    bootstrap_samples: int = Field(1000, gt=0, description="Resamples of people behind an interval of recall, MRR or halves.")
    interval: float = Field(0.9, gt=0, lt=1, description="Chance with which an interval holds the true mean.")
    seed: int = Field(20, description="Seed of the resamples.")
    max_people: int | None = Field(2000, gt=1, description="Held-out people judged by labels at most, in the order of their ids; None takes all.")
    max_title_people: int | None = Field(
        200, ge=0, description="Held-out people, labelled or not, judged by titles of what they enter next, at most, in the order of their ids; None takes all."
    )
    max_catalogue_people: int | None = Field(
        2000, ge=0, description="People asked about the items of an app's catalogue that they act on next, at most, in the order of their ids; None takes all."
    )
    held_out_part: Literal["validation", "test"] = Field(
        "test",
        description="Whether the people to judge by are asked, or, while settings are chosen, those to choose by (split validation); where acts are held out "
        "(trainer.examples.held_out_acts), about which of these.",
    )
    rankings: dict[str, str] = Field(
        {},
        description="Other recommenders beside the rows of labels or an app's own items: name -> Parquet file of their person_id, item_id and score, of as many items a person as they rank; "
        "with history_length, the units before it, where people are asked at several moments, as about labels.",
    )
    communities: list[str] | None = Field(None, description="Only cuts before an act in these communities are asked about; None takes all.")
    topics: Share | Annotated[list[str], Field(min_length=1)] | None = Field(
        None,
        description="Topics told apart, as trainer.examples.held_out_topics names them, also where the encoder was trained on them (which is said): a control. None takes those that it was "
        "trained without, if any.",
    )
    min_period_queries: int = Field(50, gt=0, description="Cuts of the future period from which they are reported apart.")
    mean_label_counts: list[Annotated[int, Field(gt=0)] | None] = Field(
        [1, 5, 20, None], description="Newest labels whose mean vector is a baseline, one baseline a number; None takes all."
    )
    mean_half_life_days: float = Field(
        30, gt=0, description="Days by which a label must be older to weigh half as much in the mean of all labels, decayed in time, that is a baseline."
    )
    max_curve_people: int | None = Field(
        200,
        gt=1,
        description="Of the people judged, in the order of their ids, as many at most are asked with vectors cut or written in bytes; None takes all.",
    )
    max_items_to_fit: int = Field(
        50_000,
        gt=1,
        description="Items of a level at most among which people to choose by say what popularity weighs beside a cosine; of more, half are the most popular and half drawn by lot.",
    )
    shown_people: int = Field(
        10, ge=0, description="People whose recommendations are kept with an evaluation, for the page of 'kindred trainer report'; of the worst as many more."
    )
    max_askers: int | None = Field(
        200,
        gt=1,
        description="Held-out people, labelled or not, of whom is asked who they are (25,000 in IUR and LUAR), at most, in the order of their ids; None takes all.",
    )
    max_other_people: int | None = Field(200, ge=0, description="Other people among whom they are looked for (86,396 in IUR and LUAR); None takes all.")
    min_half_units: int = Field(5, gt=0, description="Units at least in each half of a history, and on both sides of the time split where people are compared.")
    episode_units: int = Field(16, gt=0, description="Newest units that are read of each half where the budget is fixed; who has fewer in one is left out.")
    episode_tokens: int = Field(32, gt=0, description="Tokens of own words of each of them.")
    max_alike_people: int = Field(
        2000, gt=1, description="Of those people, as many at most are compared with each other; time and memory grow with the square."
    )
    max_feature_people: int | None = Field(
        1000,
        ge=0,
        description="Held-out people, in the order of their ids, whose vectors are used as features: of what they do in the month after the time split, and of "
        "attributes; 0 asks neither, None takes all.",
    )
    feature_days: float = Field(28, gt=0, le=36_500, description="Days after the time split that are to be guessed.")
    feature_active_days: float = Field(180, gt=0, description="Days before it in which somebody did something who is asked about them.")
    min_feature_units: int = Field(
        10,
        gt=1,
        description="Units before it at least. Not below trainer.examples min_past_units + min_future_units: who has fewer has an example only because of what comes after.",
    )
    min_class_people: int = Field(
        20, gt=1, description="People at least of a kind that is guessed, and as many of another kind; what fewer are is not asked about."
    )
    feature_folds: int = Field(5, gt=1, description="Parts of the people; each is guessed by a head that was trained on the others.")
    attributes: str | None = Field(
        None,
        description="JSON lines or Parquet of who people are (person_id, or platform and name; attribute; value): what a vector gives away of it is told as a privacy figure.",
    )


class Phase(StageConfig):
    """A part of training with one rise and fall of the learning rate."""

    epochs: dict[Source, Annotated[int, Field(gt=0)]] = Field(
        min_length=1, description="Source of answers -> how often each person who has some is seen, each time at one cut."
    )
    learning_rate: float | None = Field(None, gt=0, description="Its peak; None takes trainer.learning_rate.")
    max_tokens: int | None = Field(
        None, gt=8, description="Tokens of a history that are read in this phase, which is so much cheaper; None takes trainer.max_tokens."
    )


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
    query_format: Literal["units", "brief", "labels", "mixed", "raw"] = Field(
        "units",
        description="What a history is read as: units; brief, of units the thread's title and the own text alone, so that about twice as many fit; labels, those of its units, newest first, units without one left out; mixed, units each with its labels where it "
        "has some; raw, the platform's own form of units (etl.history_source_text_chars), and where there is none as units. Under labels and mixed, labels inside "
        "the history are no answers: they stand in it word for word.",
    )
    own_chars: int = Field(480, gt=0, description="Characters of a unit's own words in a history.")
    context_chars: int = Field(120, ge=0, description="Characters of each context text in a history.")
    phases: list[Phase] = Field(
        [Phase(epochs={"titles": 1}), Phase(epochs={"labels": 2})],
        min_length=1,
        description="Parts of training, one after the other; a source that nobody has answers of takes no step, and the steps of several in one phase are mixed.",
    )
    people_per_batch: int = Field(32, gt=1, description="People in one step, over all processes; two for each process at least.")
    answers_per_query: int = Field(4, gt=0, description="Positives drawn for each person's cut; of labels over both levels, inside and after.")
    single_unit_share: float = Field(
        0.0, ge=0, le=1,
        description="Share of a step's people with labels of whom one labelled unit of the past, without its labels, is the whole history, and its own labels are the answers.",
    )  # fmt: skip
    judged_negatives: int = Field(0, ge=0, description="Hard negatives that a teacher judged (`judgements`), drawn for each person's cut; 0: none.")
    weigh_by_grade: bool = Field(False, description="A positive weighs by the grade that a teacher gave it, one without a grade like the best; else all alike.")
    near_share: float = Field(
        0.5, ge=0, le=1, description="Share of a step's people who stand in groups of one community and nearly one time; the others are strangers."
    )
    near_people: int = Field(16, gt=1, description="People in such a group.")
    window_mb: int = Field(
        512, gt=0, description="MiB of histories that a process holds at once, of all sources of a phase together; groups and strangers are found among them."
    )
    train_on_periods: Literal["past", "all"] = Field(
        "past", description="past: only cuts whose futures lie before the time split; all: every cut. Too few people with a past cut: all."
    )
    people_share: float = Field(1.0, gt=0, le=1, description="Share of the people of split train that are trained on; a smaller share is part of a larger one.")
    learning_rate: float = Field(3e-5, gt=0, description="Peak; it rises over the warm-up and falls in a line to 0.")
    warmup_share: float = Field(0.1, ge=0, lt=1, description="Share of the steps in which the learning rate rises.")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's.")
    temperature: float | None = Field(None, gt=0, description="Of the contrastive loss; None takes the one that fits the base's own scores on the first batch.")
    margin: float | None = Field(
        None, ge=-1, le=1,
        description="An answer whose cosine with a query exceeds that of the query's best positive by more than this is no negative of it; None: it is one.",
    )  # fmt: skip
    near_duplicate: float | None = Field(
        None, gt=0, le=1, description="An answer whose cosine with one of a query's positives is at least this is no negative of it; None: it is one."
    )
    popularity: Literal["sampled", "learned", "left_out"] = Field(
        "sampled",
        description="What is learnt of how popular an answer is. sampled: what comes of each answer standing in a step once; learned: all of it, negatives weigh by one over their "
        "chance to stand in a step, so that popular answers are not pushed away; left_out: none of it, an answer weighs as often as it is somebody's in the step.",
    )
    mined_negatives: int = Field(
        0, ge=0, description="Hard negatives of each kind that are looked for a query in each step, among the answers of the steps before; 0: none."
    )
    mining_threshold: float = Field(
        0.95, gt=0, le=1, description="A mined answer is a negative of a query only where its cosine is below this share of that of the query's best positive."
    )
    mining_pool: int = Field(
        8192, gt=0, description="Answers of each kind seen last among which hard negatives are looked for; each process holds all their vectors."
    )
    mining_steps: int = Field(100, gt=0, description="Steps after which the vectors of all these answers are made anew by the encoder as it is.")
    matryoshka: list[Annotated[int, Field(gt=0)]] = Field(
        [], description="Sizes to which a vector may be cut: so many first numbers of it are trained, each with the same weight as the whole vector."
    )
    max_gradient_norm: float = Field(1.0, gt=0, description="Longer gradients are clipped to it.")
    tokens_per_forward: int = Field(8192, gt=0, description="Tokens that go through the model at once, padding counted; bounds memory, not the batch.")
    tokens_in_one_pass: int | None = Field(
        None, ge=0, description="Tokens of a process in a step, padding counted, up to which they go through the model once, not twice (memory for all of them at once); "
        "None takes tokens_per_forward, which needs no more memory.",
    )  # fmt: skip
    dropout: bool = Field(False, description="The base's own dropout in training; off, as many processes as you like take the same steps.")
    precision: Literal["auto", "full", "bf16"] = Field("auto", description="Arithmetic of the forward pass; auto: bf16 on a GPU, full on a CPU.")
    seed: int = Field(7, ge=0, description="Of people's order, cuts and positives.")
    shuffle_labels: bool = Field(False, description="Control experiment: everybody gets another person's labels.")

    @model_validator(mode="after")
    def _attention_can_do_it(self) -> Self:
        if self.attention == "flash_attention_2" and self.precision == "full":
            raise ValueError("attention flash_attention_2 computes in bf16 alone; set precision to bf16, or attention to sdpa")
        if self.attention == "eager" and self.packing == "packed":
            raise ValueError("packing packed needs attention sdpa or flash_attention_2; with eager texts are padded")
        longest = max((phase.max_tokens or 0 for phase in self.phases), default=0)
        if longest > self.max_tokens:
            raise ValueError(f"a phase of max_tokens {longest} is longer than max_tokens {self.max_tokens}, the longest text of the encoder")
        if self.single_unit_share and self.query_format == "labels":
            raise ValueError("single_unit_share asks for the labels of a unit, and query_format labels reads nothing else; set one of them otherwise")
        return self


class TrainerConfig(TrainingConfig):
    """The `trainer` section. What stands here and not above decides nothing about the weights: a run may be gone on with under other values."""

    checkpoints: str | None = Field(
        None,
        description="Folder of checkpoints, seen by all machines of a training; None is <lake>/_local/checkpoints, or none where the lake is no local folder.",
    )
    checkpoint_steps: int | None = Field(None, gt=0, description="Steps between two checkpoints; None: minutes alone count.")
    checkpoint_minutes: float | None = Field(10, ge=0, description="Minutes between two checkpoints; None: steps alone count.")
    keep_checkpoints: int = Field(2, gt=0, description="Newest checkpoints that are kept.")
    examples: ExamplesConfig = Field(ExamplesConfig(), description="How examples are cut.")
    evaluation: EvaluationConfig = Field(EvaluationConfig(), description="How an encoder is judged.")
