"""Entry point of `kindred teacher audit`: labels of one or several teachers on the same contents, side by side."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from conf.arguments import JobArguments
from lake.config import LakeConfig
from lake.job_runs import Inputs, inputs_now
from lake.labels import LABELS
from lake.units import UNITS
from teacher import arguments as teacher_arguments
from teacher.audit.audited import find_teachers, read_audited
from teacher.audit.encoder import frozen_encoder
from teacher.audit.judging import JudgedFigures, judged_figures
from teacher.audit.measures import INTERVAL, Audited, pair_figures, teacher_figures
from teacher.audit.page import render_page, shown_contents
from teacher.audit.table import audit_text, ticks_text
from teacher.audit.ticks import answer_code, judged, read_ticks
from teacher.config import AuditConfig, TeacherConfig
from teacher.engine import Judge
from teacher.engines.start import start_engine
from teacher.identity import Teacher, find_teacher
from teacher.judgements.prompts import load_judge_prompt
from teacher.registered import with_model_here

logger = logging.getLogger(__name__)
StartJudge = Callable[[LakeConfig, TeacherConfig, Teacher], Judge]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(teacher_arguments.audit(argv))


def run_job(arguments: JobArguments, start: StartJudge = start_engine) -> None:
    """Print the figures; or write the page, or count what was ticked on it."""
    lake, settings, values = arguments.section("lake", LakeConfig), arguments.section("teacher", TeacherConfig), arguments.values
    config = settings.audit
    tables = inputs_now(lake, reads=(LABELS, UNITS))
    teachers = find_teachers(lake, tables, values.teacher)
    if values.ticks:
        print_ticks(lake, tables, teachers, config, values.ticks, values.json)
        return
    audited, units = read_audited(lake, tables, teachers, config.contents)
    if values.page:
        page = render_page(shown_contents(audited, units, config.page_contents), "Are these labels right?")
        values.page.write_text(page, encoding="utf-8")
        print(values.page)
        return
    print_figures(audited, config, judged_labels(lake, settings, audited, units, start) if values.judge else [], values.json)


def print_figures(audited: Audited, config: AuditConfig, judged: Sequence[JudgedFigures], as_json: bool) -> None:
    """What can be told without a reader, and what a model said."""
    encode = frozen_encoder(config)
    teachers, pairs = teacher_figures(audited, encode), pair_figures(audited, encode, config.same_meaning_cosine)
    if as_json:
        figures = {"teachers": as_json_objects(teachers), "pairs": as_json_objects(pairs), "judged": as_json_objects(judged)}
        print(json.dumps({"contents": len(audited.contents), **figures}))
    else:
        print(audit_text(teachers, pairs, judged, len(audited.contents), INTERVAL))


def judged_labels(lake: LakeConfig, config: TeacherConfig, audited: Audited, units: Mapping[str, Mapping[str, Any]], start: StartJudge) -> list[JudgedFigures]:
    """What the model of these settings says of all labels."""
    here = with_model_here(lake, config)
    teacher = find_teacher(here)
    supported, entailed = (load_judge_prompt(name, "relevance") for name in ("supported", "entailed"))
    return judged_figures(audited, units, start(lake, here, teacher), supported, entailed, teacher.prompt.style == "chat")


def print_ticks(lake: LakeConfig, tables: Inputs, teachers: Sequence[str], config: AuditConfig, file: Path, as_json: bool) -> None:
    """What a reader ticked, by teacher and level."""
    audited, _ = read_audited(lake, tables, teachers, config.contents)
    codes = {answer_code(content, version): version for version in teachers for content in audited.contents}
    found, unknown = judged(read_ticks(file), codes)
    print(json.dumps({"judged": as_json_objects(found), "unknown": unknown}) if as_json else ticks_text(found, unknown))


def as_json_objects(figures: Sequence[BaseModel]) -> list[Any]:
    """Figures as JSON has them: it knows no NaN, and null stands for one."""
    return [json.loads(each.model_dump_json()) for each in figures]


if __name__ == "__main__":
    main()
