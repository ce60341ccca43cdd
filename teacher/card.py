"""What a distilled teacher says of itself, in a file of its folder: it goes where the weights go, and counts among the files by which a teacher is known."""

from pathlib import Path

from pydantic import Field, ValidationError

from conf.errors import TeacherError
from conf.settings import StageConfig
from teacher.prompts import Prompt

CARD_FILE = "kindred_teacher.json"


class TeacherCard(StageConfig):
    """A distilled teacher: its name, the prompt that its weights answer, and what it learned from."""

    name: str = Field(description="As `teacher_model` has it, e.g. 'SmolLM2-135M-Instruct, distilled from Qwen2.5-1.5B'.")
    prompt: Prompt = Field(description="What it is asked; other words than those that it learned from it answers worse.")
    base: str = Field(description="Name of the model that it was before.")
    base_licence: str | None = Field(description="What the base's own files say of their licence.")
    learned_from: str = Field(description="`teacher_version` of the strong teacher.")
    learned_from_model: str = Field(description="The strong teacher's model, by its name in `labels`.")
    contents: int = Field(description="Contents that it learned from.")
    held_out_share: float = Field(description="Share of people of whose contents it learned none.")
    inputs: str = Field(description="Fingerprint of all that decided its weights.")


def read_card(folder: Path) -> TeacherCard | None:
    """The card of a folder; None where it has none. Raises TeacherError for one that cannot be read."""
    path = folder / CARD_FILE
    if not path.is_file():
        return None
    try:
        return TeacherCard.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise TeacherError(f"{path}: is no card of a distilled teacher: {error}", f"{CARD_FILE}: is no card of a distilled teacher") from None
