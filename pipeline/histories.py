"""Files of a platform -> the units of one person, in this process: what `etl ingest`, `etl units` and `etl sequences` make of them, by the same functions and without Spark's JVM."""

import secrets
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from conf.errors import ArchiveError, ConfigError
from etl.config import EtlConfig
from etl.ingest.file_counts import FileCounts
from etl.ingest.inputs import parse_settings
from etl.platforms import InputFile, ParseSettings, Platform, checked_options, find_platform, platform_reference
from etl.sequences.history_rows import ACCOUNT_ROWS, HistoryTexts, cut_texts
from etl.units.acts import UnitSettings, units_of_batches
from etl.units.thread_rows import ActTexts, threads_of_acts
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.pseudonyms import pseudonym
from lake.schema import arrow_schema
from lake.units import UNITS
from serving.questions import Archive

ACCOUNT = "account"
"""Option of platforms whose files do not say whose they are."""
OF_NOBODY = "somebody"


class ArchiveParser:
    """Reads the files of platforms with the settings of `etl`, and forgets them. Pseudonyms are made by a key of the moment: nobody of the lake is recognised."""

    def __init__(self, lake: LakeConfig, config: EtlConfig) -> None:
        self._lake, self._config = lake, config
        self._texts = ActTexts(config.text_chars, config.context_chars)
        # Who is a bot, and who said the same before, only a whole lake tells.
        self._units = UnitSettings(
            config.context_depth, config.context_chars, config.mask_contacts, config.identify_languages, config.filters.model_copy(update={"drop_bots": False})
        )
        self._histories = HistoryTexts(config.history_text_chars, config.history_context_chars, config.history_parents, config.history_source_text_chars)

    def __call__(self, archive: Archive) -> Sequence[dict[str, Any]]:
        """The person's units, oldest first. Raises ArchiveError where the files cannot be read, too many lines of them are refused, or nobody's history is meant."""
        with tempfile.TemporaryDirectory(prefix="kindred-archive-") as folder:
            try:
                acts, key = self._acts(archive, folder)
            except (ArchiveError, ConfigError) as error:
                raise ArchiveError(error.public.replace(f"{folder}/", "")) from None
        user_id = whose(acts, archive.account, key)
        made = pa.concat_tables(
            [
                arrow_schema(UNITS).empty_table(),
                *(part.rows for part in units_of_batches(threads_of_acts(acts, self._texts), self._units) if part.spec is UNITS),
            ]
        )
        own = made.filter(pc.equal(made["user_id"], user_id)).sort_by([("created_at", "ascending"), ("unit_id", "ascending")])
        rows = own.select(ACCOUNT_ROWS.names).cast(ACCOUNT_ROWS).combine_chunks().to_batches()
        return [unit for batch in rows for unit in cut_texts(batch, self._histories).to_pylist()]

    def _acts(self, archive: Archive, folder: str) -> tuple[pa.Table, bytes]:
        """All acts of the files, and the key of their pseudonyms."""
        write_files(archive, Path(folder))
        platform, settings = self._platform(archive)
        files = platform.input_files(folder, settings)
        if not files:
            raise ArchiveError(f"no file is called as platform {platform.name!r} calls its files (PLATFORMS.md)")
        if faults := [file.fault for file in files if file.fault]:
            raise faults[0]
        acts = [part for file in files for part in acts_of_file(platform, file, settings, self._config.max_reject_share)]
        return pa.concat_tables([arrow_schema(ACTS).empty_table(), *acts]), settings.key

    def _platform(self, archive: Archive) -> tuple[Platform, ParseSettings]:
        settings = parse_settings(self._lake, self._config, platform_reference(archive.platform))
        platform = find_platform(archive.platform)
        options = settings.options.model_dump(exclude_unset=True)
        if ACCOUNT in platform.options.model_fields:
            options |= {ACCOUNT: archive.account or OF_NOBODY}
        return platform, replace(settings, key=secrets.token_bytes(32), keep_names=False, options=checked_options(platform, options))


def write_files(archive: Archive, folder: Path) -> None:
    """Lay the files below a folder. Raises ArchiveError where their paths do not allow it."""
    try:
        for name, text in archive.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
    except OSError:
        raise ArchiveError("these paths cannot be files of one folder") from None


def acts_of_file(platform: Platform, file: InputFile, settings: ParseSettings, max_reject_share: float) -> list[pa.Table]:
    """All acts of a file. Raises ArchiveError where it cannot be read, or more lines are refused than an ingest would take."""
    counts, acts = FileCounts(), []
    for batch in platform.parse(file, settings):
        counts.add(batch, file)
        acts.append(batch.acts)
    counts.check_rejects(file, max_reject_share)
    return acts


def whose(acts: pa.Table, account: str | None, key: bytes) -> str:
    """`user_id` of the person whose history is meant. Raises ArchiveError where nobody, or more than one, may be."""
    found = Counter(acts["user_id"].drop_null().to_pylist())
    if account is not None:
        named = {pseudonym(key, platform, account) for platform in pc.unique(acts["platform"]).to_pylist()} & set(found)
        if named:
            return named.pop()
    if account is not None or len(found) != 1:
        raise ArchiveError(f"{len(found)} accounts act in these files{', and none is the one that was named' if account else '; name one'}")
    return next(iter(found))
