"""Label several lakes one after the other with one real engine, and judge items of those that have examples: `python label_lakes.py LAKE...`, run by test_teacher_vllm.py."""

import sys
from functools import cache

from lake.config import LakeConfig
from lake.examples import EXAMPLES
from lake.presence import has_table
from teacher.config import JudgeConfig, TeacherConfig
from teacher.engines.start import start_engine
from teacher.engines.vllm_engine import VllmEngine
from teacher.jobs.judge import judge_items
from teacher.jobs.label import label_units

CONFIG = TeacherConfig(
    batch_units=4, max_reject_share=1, judge=JudgeConfig(units=6, histories=2, per_person=3, neighbours=4, encoder="all-MiniLM-L6-v2", batch_queries=3)
)


def main(paths: list[str]) -> None:
    """Label and judge; what an engine answers depends on its prompts alone, so one serves all."""

    @cache
    def shared_engine() -> VllmEngine:
        from teacher.identity import find_teacher

        engine = start_engine(LakeConfig(path=paths[0]), CONFIG, find_teacher(CONFIG))
        assert isinstance(engine, VllmEngine)
        return engine

    for path in paths:
        if has_table(lake := LakeConfig(path=path), EXAMPLES):
            print(judge_items(lake, CONFIG, lambda *_: shared_engine()))
        else:
            label_units(lake, CONFIG, lambda *_: shared_engine())
    says_the_same_in_both_ways(shared_engine())


def says_the_same_in_both_ways(engine: VllmEngine) -> None:
    """A word that may come next has the same log-probability as an answer and as what is read behind the question."""
    question = "The capital of France is"
    (chances,) = engine.choices([question], ["Paris", "bread"])
    read = engine.likelihoods([(question, " Paris"), (question, " bread")])
    assert chances is not None
    for chance, likelihood in zip(chances, read, strict=True):
        assert likelihood is not None
        assert abs(chance - likelihood) < 0.01, (chances, read)
    assert chances[0] > chances[1]
    (two_tokens,) = engine.likelihoods([(question, " Paris bread")])
    (second,) = engine.likelihoods([(f"{question} Paris", " bread")])
    assert two_tokens is not None
    assert second is not None
    assert abs(two_tokens - (chances[0] + second) / 2) < 0.01, (two_tokens, chances[0], second)


if __name__ == "__main__":
    main(sys.argv[1:])
