"""What is held out with some topics: their labels, and the titles of whatever carries such a label.

What a topic is only labels say: of units that no teacher read nothing is known, and a title under which nobody's labelled unit stands is an answer, whatever it is about.
"""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from lake.examples import Topics
from trainer.examples.cuts import NONE, Numbers
from trainer.topics import TopicLabels, are_of_topics

NO_WORDS: Numbers = np.zeros(0, np.int64)


@dataclass
class TopicTitles:
    """Keys of the titles of what carries a label of some topics, gathered while labelled units go by; `units` of them carry one."""

    labels: TopicLabels
    keys: set[int] = field(default_factory=set)
    units: int = 0

    def see(self, labels: pa.Table, title_keys: Numbers) -> None:
        """Labelled units: rows of `specific` and `broad`, and the key of the title of each (N,), -1 for none."""
        are_such = are_of_topics(labels, self.labels.keys)
        self.units += int(are_such.sum())
        self.keys.update(title_keys[are_such & (title_keys != NONE)].tolist())

    def words(self) -> Numbers:
        """Keys, ascending, of all that is no answer."""
        return np.union1d(self.labels.keys, np.array(sorted(self.keys), np.int64)).astype(np.int64)


def unknown_names(topics: Topics, labels: TopicLabels) -> list[str]:
    """Names among the topics that no broad label has."""
    return [] if isinstance(topics, float) else sorted(set(topics) - set(labels.broad))
