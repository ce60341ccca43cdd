"""Label several lakes one after the other with one real engine: `python label_lakes.py LAKE...`, run by test_teacher_vllm.py."""

import sys
from functools import cache

from lake.config import LakeConfig
from teacher.config import TeacherConfig
from teacher.engine import Engine
from teacher.engines.start import start_engine
from teacher.jobs.label import label_units

CONFIG = TeacherConfig(batch_units=4, max_reject_share=1)


def main(paths: list[str]) -> None:
    """Label the lakes; what an engine answers depends on its prompts alone, so one serves all."""

    @cache
    def shared_engine() -> Engine:
        from teacher.identity import find_teacher

        return start_engine(LakeConfig(path=paths[0]), CONFIG, find_teacher(CONFIG))

    for path in paths:
        label_units(LakeConfig(path=path), CONFIG, lambda *_: shared_engine())


if __name__ == "__main__":
    main(sys.argv[1:])
