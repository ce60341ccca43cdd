"""The sample of a budget, out of the tables, and what labelling it would take (edge)."""

import hashlib
import json
from collections import Counter
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from lake import arrow_tables
from lake.config import LakeConfig
from lake.job_runs import Inputs
from lake.units import SEQUENCES, UNITS
from teacher.config import SampleConfig, TeacherConfig
from teacher.engines.start import prompt_tokens
from teacher.identity import find_teacher
from teacher.registered import with_model_here
from teacher.sample.forecast import Costs, Forecast, answer_tokens, forecasts, probed, tokens_of_units, with_cached_share
from teacher.sample.histories import histories, languages_of
from teacher.sample.picking import SAMPLING_VERSION, Budget, Languages, Pool, Strata, Windows, candidates_of, combinations, eligible_units, people_of
from teacher.selected_units import SHOWN_COLUMNS
from teacher.speed import Speed, last_speed

_BUDGET_AND_PRICE = {"contents", "hours", "probed_prompts", "tokens_per_second", "price_per_hour"}
CACHE_BLOCK = 16
"""Tokens in a block of vLLM's prefix cache on a GPU, unless teacher.vllm.block_size says otherwise."""


class Sample(NamedTuple):
    """What is picked (CANDIDATES), in the order of choice, and the strata that it comes from."""

    chosen: pa.Table
    strata: Strata


class SampleForecast(NamedTuple):
    """What labelling a sample would take, by stratum, at which costs, and what that rests on."""

    parts: list[Forecast]
    costs: Costs
    notes: list[str]


def pick(lake: LakeConfig, config: SampleConfig, tables: Inputs, contents: int) -> Sample:
    """The sample of a budget, by two passes over `sequences`: who there is, and who of them is taken."""
    windows = Windows(config.history_units, config.past_units, config.min_units, config.window_units, config.units_per_person)
    languages = languages_of(lake, tables.version(UNITS))
    strata = _strata(lake, tables.version(SEQUENCES), windows, languages)
    pool = Pool(Budget(contents, config.contents_per_community))
    for bucket in histories(lake, tables.version(SEQUENCES)):
        units = eligible_units(bucket, windows)
        pool.add(candidates_of(units, people_of(units, languages), strata, config.balance, windows, pool.limit))
    return Sample(pool.chosen(), strata)


def sample_version(config: SampleConfig) -> str:
    """Hash of the settings that decide what is picked, the budget aside: samples of one version hold each other."""
    deciding = config.model_dump(mode="json", exclude=_BUDGET_AND_PRICE)
    return hashlib.sha256(json.dumps([SAMPLING_VERSION, deciding], sort_keys=True).encode()).hexdigest()[:16]


def forecast(lake: LakeConfig, config: TeacherConfig, tables: Inputs, chosen: pa.Table) -> SampleForecast:
    """What labelling these contents would take. Raises ConfigError where the model's tokenizer is not at hand."""
    here, measured, probes = with_model_here(lake, config), last_speed(lake, config), probed(chosen, config.sample.probed_prompts)
    teacher = find_teacher(here)
    tokens = prompt_tokens(lake, here, teacher)
    written = measured.completion_tokens if measured else answer_tokens(tokens, teacher.prompt)
    units = _units(lake, probes["unit_id"].combine_chunks(), tables.version(UNITS))
    probes = probes.filter(pc.is_in(probes["unit_id"], pa.array(list(units), pa.string())))
    shown = [units[unit_id] for unit_id in probes["unit_id"].to_pylist()]
    counted = tokens_of_units(tokens, teacher.prompt, shown, config.batch_units, int(config.vllm.get("block_size", CACHE_BLOCK)), written)
    if measured:
        counted = with_cached_share(counted, measured.cached_share)
    given = config.sample.tokens_per_second
    of_answers = "as measured, as is the cached share" if measured else "as those that the prompt shows"
    notes = [f"{len(shown)} prompts were counted; an answer is taken for {written:.1f} tokens, {of_answers}", _said_of_speed(given, measured)]
    costs = Costs(given or (measured.tokens_per_second if measured else None), config.sample.price_per_hour)
    return SampleForecast(forecasts(chosen, probes["stratum"].to_pylist(), counted), costs, notes)


def _said_of_speed(given: float | None, measured: Speed | None) -> str:
    if given:
        return f"{given:,.1f} tokens a second, as teacher.sample.tokens_per_second says"
    if measured:
        return f"{measured.tokens_per_second:,.1f} tokens a second, as measured in run {measured.run_id}"
    return "no speed is known; label some hundred contents with these settings first, or set teacher.sample.tokens_per_second"


def _units(lake: LakeConfig, unit_ids: pa.Array, version: int) -> dict[str, dict]:
    rows = arrow_tables.read(lake, UNITS, SHOWN_COLUMNS, ds.field("unit_id").isin(unit_ids), version).to_pylist()
    return {row["unit_id"]: row for row in rows}


def _strata(lake: LakeConfig, version: int, windows: Windows, languages: Languages) -> Strata:
    people: Counter[tuple[str | None, ...]] = Counter()
    for bucket in histories(lake, version):
        people.update(combinations(people_of(eligible_units(bucket, windows), languages)))
    return Strata(people)
