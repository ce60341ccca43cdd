"""Files that say who people are: JSON lines and Parquet, by ids and by names, and what is wrong with others."""

import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conf.errors import ConfigError, ContractError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.pseudonyms import KEY_VARIABLE, pseudonym
from lake.units import IDENTITIES, Identity
from trainer.evaluation.features.attributes import attributes_hash, check_known, read_attributes

KEY = "ab" * 32


def lines(tmp_path: Path, *rows: Any) -> str:
    file = tmp_path / "people.jsonl"
    file.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return str(file)


def of(person_id: str, attribute: str, value: Any) -> dict[str, Any]:
    return {"person_id": person_id, "attribute": attribute, "value": value}


def test_people_are_named_by_their_ids_or_by_names_which_become_pseudonyms(lake: LakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    ann, bo = (pseudonym(bytes.fromhex(KEY), "reddit", name) for name in ("ann", "bo"))
    arrow_tables.overwrite(lake, IDENTITIES, [Identity(user_id=bo, person_id="joined"), Identity(user_id="account", person_id="joined")])
    named = {"platform": "reddit", "attribute": "drink", "value": "tea"}
    file = lines(tmp_path, {**named, "name": "Ann"}, "", {**named, "name": "bo"}, of("account", "age", 40), of("somebody", "age", " 50 "), of("x", "age", None))
    assert read_attributes(lake, file) == {"drink": {ann: "tea", "joined": "tea"}, "age": {"joined": "40", "somebody": "50"}}


def test_parquet_says_the_same(lake: LakeConfig, tmp_path: Path) -> None:
    rows = [of("a", "sex", "male"), of("b", "sex", "female")]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "people.parquet")
    assert read_attributes(lake, str(tmp_path / "people.parquet")) == read_attributes(lake, lines(tmp_path, *rows)) == {"sex": {"a": "male", "b": "female"}}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["{"], "line 1: no JSON object"),
        (["[1]"], "no JSON object"),
        ([of("a", "x" * 25, "b")], "at most 24 letters"),
        ([of("a", "drink/tea", "b")], "attribute 'drink/tea'"),
        ([{"attribute": "sex", "value": "male"}], "line 1: nobody is named; expected attribute, value, and person_id or platform and name"),
        ([of("a", "sex", "male"), of("a", "sex", "female")], "line 2: 'sex' of somebody who has another value of it already"),
        ([of("a", "sex", "")], "nothing stands in"),
        ([of("a", "sex", math.nan)], "nothing stands in"),
        (["[" * 100_000], "line 1: no JSON object"),
        ([], "nothing stands in"),
    ],
)
def test_a_file_of_another_form_is_refused_with_the_place(lake: LakeConfig, tmp_path: Path, rows: list[Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_attributes(lake, lines(tmp_path, *rows))


def test_other_encodings_are_refused_and_a_mark_of_utf_8_is_no_character(lake: LakeConfig, tmp_path: Path) -> None:
    file = tmp_path / "attributes.jsonl"
    file.write_bytes(json.dumps(of("a", "sex", "m\u00e4nnlich"), ensure_ascii=False).encode("latin-1"))
    with pytest.raises(ConfigError, match="line 1: no UTF-8"):
        read_attributes(lake, str(file))
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(of("a", "sex", "male")).encode())
    assert read_attributes(lake, str(file)) == {"sex": {"a": "male"}}


def test_a_name_needs_the_key(lake: LakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    file = lines(tmp_path, {"platform": "reddit", "name": "ann", "attribute": "sex", "value": "female"})
    with pytest.raises(ConfigError, match="no pseudonym key"):
        read_attributes(lake.model_copy(update={"pseudonym_key_file": str(tmp_path / "absent")}), file)


def test_absent_and_broken_files_and_strangers_to_the_lake_are_errors(lake: LakeConfig, tmp_path: Path) -> None:
    assert attributes_hash(None) is None
    with pytest.raises(ConfigError, match="there is no such file"):
        attributes_hash(str(tmp_path / "absent.jsonl"))
    first = attributes_hash(lines(tmp_path, of("a", "sex", "male")))
    assert first != attributes_hash(lines(tmp_path, of("a", "sex", "female")))
    broken = tmp_path / "broken.parquet"
    broken.write_text("no", encoding="utf-8")
    with pytest.raises(ConfigError, match="is no Parquet file"):
        read_attributes(lake, str(broken))
    with pytest.raises(ContractError, match=r"none of the 1 people of people\.jsonl has an example; give person_ids of this lake"):
        check_known({"sex": {"a": "male"}}, {"b"}, "people.jsonl")
    check_known({"sex": {"a": "male"}}, {"a", "b"}, "people.jsonl")
