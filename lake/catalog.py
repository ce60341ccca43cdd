"""Every table of the lake by name."""

from lake.acts import ACTS, INGESTED_FILES, REJECTS
from lake.erasures import ERASURES
from lake.examples import EXAMPLES, PERSON_LABELS
from lake.job_runs import JOB_RUNS
from lake.judgements import JUDGEMENTS
from lake.labels import ITEM_REJECTS, ITEMS, LABEL_SAMPLE, LABELS
from lake.tables import TableSpec
from lake.units import IDENTITIES, SEQUENCES, SHORT_SEQUENCES, UNIT_SIGNATURES, UNITS
from lake.vectors import ITEM_VECTORS, USER_VECTORS

TABLES: dict[str, TableSpec] = {
    spec.name: spec
    for spec in (
        ACTS, REJECTS, INGESTED_FILES, UNITS, UNIT_SIGNATURES, IDENTITIES, SEQUENCES, SHORT_SEQUENCES, LABEL_SAMPLE, LABELS, ITEMS, ITEM_REJECTS,
        JUDGEMENTS, PERSON_LABELS, EXAMPLES, USER_VECTORS, ITEM_VECTORS, JOB_RUNS, ERASURES,
    )
}  # fmt: skip
