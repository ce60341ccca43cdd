"""What can be asked, checked: the same for the command line and for the service. Pure, and light to import.

A question is data, its filters included, so that it can be sent to a running service or answered here.
"""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from conf.errors import ConfigError
from conf.mistakes import sentences
from lake.acts import UNKNOWN_TIME
from lake.labels import Level
from lake.units import Role
from serving import filters
from serving.hits import Ranking

Scope = Literal["people", "items", "histories", "metrics"]
"""What a token may do: be told of people in the lake, look for items, have histories of its own encoded, read the metrics."""
MAX_LIMIT, MAX_OFFSET = 1000, 10_000
MAX_ACTS = 5000
MAX_UNITS = 100_000_000
Asked = TypeVar("Asked", bound=BaseModel)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _storable(text: str) -> str:
    if any(0xD800 <= ord(character) < 0xE000 for character in text):
        raise ValueError("holds half of a character (a lone surrogate)")
    return text


def _no_control(text: str) -> str:
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise ValueError("holds a control character")
    return text


def _below_a_root(path: str) -> str:
    if path.startswith("/") or "\\" in path or any(step in ("", ".", "..") for step in path.split("/")):
        raise ValueError("is no path below a folder")
    return path


def _with_words(text: str) -> str:
    """The text, where there is anything to read in it: white space, control characters and marks that are not seen say nothing."""
    if all(unicodedata.category(character)[0] in "CZ" for character in text):
        raise ValueError("is empty")
    return text


Storable = AfterValidator(_storable)
Name = Annotated[str, StringConstraints(min_length=1, max_length=256), Storable, AfterValidator(_no_control)]
"""An id, or the name of a platform, community or source."""
Names = Annotated[list[Name], Field(max_length=50)]
Words = Annotated[str, StringConstraints(max_length=10_000), Storable, AfterValidator(_with_words)]
"""A text that the encoder reads, which cuts it to its own length."""
Part = Annotated[str, StringConstraints(max_length=100_000), Storable]
"""A text of an act; of a long one the rendering reads the beginning."""


FileName = Annotated[Name, AfterValidator(_below_a_root)]


class Question(BaseModel):
    """What all questions share: which of the hits are wanted. Unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: ClassVar[str]
    scopes: ClassVar[tuple[Scope, ...]]

    limit: int | None = Field(None, ge=1, le=MAX_LIMIT, description="How many hits; serving.top_k where it is not said.")
    offset: int = Field(0, ge=0, le=MAX_OFFSET, description="How many of the best hits are passed over. Pages fit together while `index` stays the same.")
    min_score: float | None = Field(None, allow_inf_nan=False, description="The least score of a hit.")


class PeopleFilter(BaseModel):
    """Which people may be found."""

    platforms: Names = Field([], description="Who acted on one of these platforms; everybody where none is named.")
    communities: Names = Field([], description="Who has one of these among their (at most 20) most frequent communities.")
    min_units: int = Field(0, ge=0, le=2**62, description="Who has so many units or more.")
    active_since: AwareDatetime | None = Field(None, description="Whose newest unit is not older. With a time zone.")

    def expression(self, *more: str) -> str:
        """As Milvus reads it, with further conditions."""
        since = None if self.active_since is None else max(0, int((self.active_since - EPOCH).total_seconds()))
        return filters.all_of(
            *more,
            filters.contains_any("platforms", self.platforms),
            filters.contains_any("communities", self.communities),
            filters.at_least("unit_count", self.min_units) if self.min_units else "",
            filters.at_least("last_at", since) if since is not None else "",
        )


class ItemFilter(BaseModel):
    """Which items may be found."""

    level: Level | None = Field(None, description="How specific labels are; null means specific ones, or all that `sources` have where these are named.")
    sources: Names = Field([], description="'labels', or names of apps' catalogues; all where none is named.")

    def expression(self) -> str:
        """As Milvus reads it."""
        level = self.level or (None if self.sources else "specific")
        return filters.all_of(filters.equals("level", level) if level else "", filters.one_of("source", self.sources) if self.sources else "")


class ByUser(BaseModel):
    """About one person of the index."""

    user: Name = Field(description="A person_id, or any user_id of the person.")


class SimilarUsers(ByUser, PeopleFilter, Question):
    """The people nearest to a person, the person left out."""

    path: ClassVar[str] = "/v1/similar-users"
    scopes: ClassVar[tuple[Scope, ...]] = ("people",)


class Recommendations(ByUser, ItemFilter, Question):
    """The items nearest to a person."""

    path: ClassVar[str] = "/v1/recommendations"
    scopes: ClassVar[tuple[Scope, ...]] = ("people",)

    by: Ranking = Field("likely", description="Rank by how likely the person does an item next, which popular ones are, or by likeness alone.")
    only_new: bool = Field(False, description="Leave out what the person's own units are labelled with.")
    as_of: AwareDatetime | None = Field(
        None,
        description="A moment of the past, with a time zone: the history up to it is encoded anew, `known` is what was labelled by then, and `later` what was after it. "
        "The encoder may have learnt from what came after.",
    )


class Audience(PeopleFilter, Question):
    """The people nearest to a text, which is read as a specific item, or to an item of the index."""

    path: ClassVar[str] = "/v1/audience"
    scopes: ClassVar[tuple[Scope, ...]] = ("people",)

    text: Words | None = Field(None, description="What they should care about, e.g. 'Repairing old bicycles'.")
    item_id: Name | None = Field(None, description="An item of the index, instead of a text.")

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        if (self.text is None) == (self.item_id is None):
            raise ValueError("expected one of text and item_id")
        return self


class FindItems(ItemFilter, Question):
    """The items nearest to a text."""

    path: ClassVar[str] = "/v1/items/search"
    scopes: ClassVar[tuple[Scope, ...]] = ("items",)

    text: Words = Field(description="Read as a label of the level that is looked for.")


class FindPerson(BaseModel):
    """One person of the index: by an id, or by the name of an account, for which the service needs the lake's pseudonym key."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: ClassVar[str] = "/v1/people/find"
    scopes: ClassVar[tuple[Scope, ...]] = ("people",)

    user: Name | None = Field(None, description="A person_id, or any user_id of the person.")
    platform: Name | None = Field(None, description="With `name`: where the account is, e.g. 'reddit'.")
    name: Annotated[str, StringConstraints(min_length=1, max_length=256), Storable] | None = Field(
        None, description="The account's name, in place of `user`; case does not matter."
    )

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        if (self.user is None) == (self.name is None) or (self.platform is None) != (self.name is None):
            raise ValueError("expected either user, or platform and name")
        return self


class HistoryOfPerson(ByUser):
    """What a person did, newest first, with the labels of each act that has some; without the person's words."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: ClassVar[str] = "/v1/people/history"
    scopes: ClassVar[tuple[Scope, ...]] = ("people",)

    limit: int | None = Field(None, ge=1, le=MAX_LIMIT, description="How many acts; serving.top_k where it is not said.")
    offset: int = Field(0, ge=0, le=MAX_UNITS, description="How many of the newest acts are passed over.")


class Why(ByUser, Question):
    """The pairs of labels of a person's own units that are nearest to an item; none where the person has no labels."""

    path: ClassVar[str] = "/v1/why"
    scopes: ClassVar[tuple[Scope, ...]] = ("people",)

    item_id: Name = Field(description="What was recommended.")


class ContextOfAct(BaseModel):
    """One thing that surrounded an act, as in `units`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Role = Field(
        description="root (what opened the thread: title and body), object (the thing acted on), parent (a link of the chain), earlier (in the session)."
    )
    text: Part = Field(description="Title and body of a root or an object, words of the others.")
    title: Part | None = Field(None, description="What a root or an object is called, without its body.")


class LabelOfAct(BaseModel):
    """What a teacher said of an act, for encoders that read labels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    specific: Words
    broad: Words


class UniversalAct(BaseModel):
    """One act in the universal form: the person's own words in their context."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    platform: Name = Field("app", description="Where it was done; it stands for a community that is not named.")
    community: Annotated[str, StringConstraints(max_length=256), Storable] | None = Field(None, description="Subreddit, channel, site.")
    title: Part | None = Field(None, description="Title of a post; null for a comment.")
    text: Part = Field("", description="The person's own words; empty only where there is a title.")
    context: Annotated[list[ContextOfAct], Field(max_length=100)] = Field([], description="What surrounded it, from outermost to nearest.")
    created_at: AwareDatetime | None = Field(None, description="With a time zone. Acts are put in order by it; as they come where one has none.")
    source_text: Part | None = Field(None, description="The platform's own form, for encoders that read it.")
    label: LabelOfAct | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        _with_words(f"{self.title or ''}{self.text}")
        return self

    def as_unit(self) -> dict[str, Any]:
        """The act as the rendering reads units."""
        return {**self.model_dump(exclude={"label"}), **({} if self.label is None else {"label": self.label.model_dump()})}


class Archive(BaseModel):
    """Files as a platform gives them, which its parser reads. They may hold others' acts, too: what surrounded the person's own is found among them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    platform: Name = Field(description="A parser of the service, e.g. 'reddit', 'takeout'.")
    files: Annotated[dict[FileName, Annotated[str, Storable]], Field(min_length=1, max_length=50)] = Field(
        description="Text of each file by its path, named as the platform names it, e.g. 'RC_2024-02'. Not compressed."
    )
    account: Name | None = Field(None, description="Name of the person's account; it may be left out where nobody else acted.")


class ByHistory(BaseModel):
    """About a history that is in no lake: acts in the universal form, or files of a platform."""

    acts: Annotated[list[UniversalAct], Field(min_length=1, max_length=MAX_ACTS)] | None = Field(None, description="What the person did, oldest first.")
    archive: Archive | None = Field(None, description="Instead of acts.")

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        if (self.acts is None) == (self.archive is None):
            raise ValueError("expected one of acts and archive")
        return self

    def units(self) -> Sequence[dict[str, Any]]:
        """The acts as the rendering reads units, oldest first where all tell their time, ties as they come."""
        acts = self.acts or []
        ordered = acts if any(act.created_at is None for act in acts) else sorted(acts, key=lambda act: act.created_at or UNKNOWN_TIME)
        return [act.as_unit() for act in ordered]


class VectorOfHistory(ByHistory):
    """The vector of a history that is in no lake."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: ClassVar[str] = "/v1/histories/vector"
    scopes: ClassVar[tuple[Scope, ...]] = ("histories",)


class RecommendationsForHistory(ByHistory, ItemFilter, Question):
    """The items nearest to a history that is in no lake."""

    path: ClassVar[str] = "/v1/histories/recommendations"
    scopes: ClassVar[tuple[Scope, ...]] = ("histories", "items")

    by: Ranking = Field("likely", description="As in recommendations.")


class SimilarToHistory(ByHistory, PeopleFilter, Question):
    """The people nearest to a history that is in no lake."""

    path: ClassVar[str] = "/v1/histories/similar-users"
    scopes: ClassVar[tuple[Scope, ...]] = ("histories", "people")


def asked(kind: type[Asked], words: str, **values: Any) -> Asked:
    """A question out of what a command was given. Raises ConfigError, in the words of the command, on what cannot be asked."""
    try:
        return kind(**values)
    except ValidationError as error:
        raise ConfigError("; ".join(sentences(words, error, kind))) from None
