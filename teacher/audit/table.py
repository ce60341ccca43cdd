"""The figures of an audit as a person reads them. Pure."""

from collections.abc import Sequence

from lake.labels import LEVELS
from lake.rendering import plain
from teacher.audit.judging import JudgedFigures
from teacher.audit.measures import MOST, PairFigures, Share, TeacherFigures
from teacher.audit.ticks import Judged

MODEL_CHARS = 72
Row = tuple[str, Sequence[str]]


def audit_text(
    teachers: Sequence[TeacherFigures], pairs: Sequence[PairFigures], judged: Sequence[JudgedFigures], contents: int, interval: float
) -> str:  # fmt: skip
    """Two tables: a column for each teacher, and one for each two of them; and where a model judged, one more of each teacher."""
    blocks = [
        f"{contents} contents; in brackets what holds the mean with a chance of {interval:.0%}, by resamples of contents.",
        _table(_of_teachers(teachers)),
    ]
    if pairs:
        blocks.append(_table(_of_pairs(pairs)))
    if judged:
        blocks.append(_table(_as_judged(judged)))
    return "\n\n".join(blocks)


def ticks_text(found: Sequence[Judged], unknown: int) -> str:
    """A line for each teacher and level."""
    rows: list[Row] = [("teacher", ("level", "right", "of", "unsure"))]
    rows += [
        (each.teacher_version, (each.level, f"{each.right:.2f} [{each.low:.2f}, {each.high:.2f}]", str(each.verdicts["right"] + each.verdicts["wrong"]), str(each.verdicts["unsure"])))
        for each in found
    ]  # fmt: skip
    return _table(rows) + (f"\n{unknown} ticks are of labels that are not among these any more" if unknown else "")


def _of_teachers(teachers: Sequence[TeacherFigures]) -> list[Row]:
    rows: list[Row] = [
        ("", [each.teacher_version for each in teachers]),
        ("model", [plain(each.model, MODEL_CHARS) for each in teachers]),
        ("prompt", [each.prompt_version for each in teachers]),
        ("rejected", [_rejected(each) for each in teachers]),
    ]
    for level in LEVELS:
        figures = [each.levels[level] for each in teachers]
        rows += [
            (f"{level}: distinct", [str(each.distinct) for each in figures]),
            ("  contents with a label that another has", [_share(each.reused) for each in figures]),
            ("  entropy, bits", [f"{each.entropy:.2f}" for each in figures]),
            (f"  share of the {MOST} most frequent", [f"{each.most:.3f}" for each in figures]),
            ("  words", [f"{each.words:.1f}" for each in figures]),
            ("  nearer to its own text than to another's", [_share(each.of_its_text) for each in figures]),
            ("  ... than to another's of its community", [_share(each.of_its_text_in_community) for each in figures]),
        ]
    return [*rows, ("broad nearer to its own specific than another's", [_share(each.broad_of_its_specific) for each in teachers])]


def _of_pairs(pairs: Sequence[PairFigures]) -> list[Row]:
    return [
        ("", [f"{each.first}, {each.second}: {each.level}" for each in pairs]),
        ("contents that both label", [str(each.contents) for each in pairs]),
        ("the same words", [_share(each.equal) for each in pairs]),
        ("the same meaning", [_share(each.same_meaning) for each in pairs]),
        ("cosine", [_share(each.cosine) for each in pairs]),
        ("cosine to another content's", [f"{each.cosine_of_others:.3f}" for each in pairs]),
        ("nearer than another content's", [_share(each.told_apart) for each in pairs]),
    ]


def _as_judged(judged: Sequence[JudgedFigures]) -> list[Row]:
    rows: list[Row] = [("as the model judges", [each.teacher_version for each in judged]), ("labelled contents", [str(each.contents) for each in judged])]
    for name, answers in (
        ("text says the specific label", [each.supported for each in judged]),
        ("specific belongs to broad", [each.entailed for each in judged]),
    ):
        rows += [
            (name, [_share(each.yes) for each in answers]),
            ("  the same of another content's label", [_share(each.yes_of_others) for each in answers]),
            ("  likelier than of another content's", [_share(each.told_apart) for each in answers]),
        ]
    return rows


def _rejected(figures: TeacherFigures) -> str:
    rejects = sum(figures.rejects.values())
    worst = max(figures.rejects, key=lambda reason: figures.rejects[reason], default="")
    return f"{rejects} of {figures.asked}" + (f" (most: {worst})" if worst else "")


def _share(share: Share) -> str:
    return f"{share.mean:.3f} [{share.low:.3f}, {share.high:.3f}]"


def _table(rows: Sequence[Row]) -> str:
    cells = [[name, *values] for name, values in rows]
    widths = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells)
