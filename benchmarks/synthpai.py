"""SynthPAI's personas as a file of attributes for `trainer.evaluation.attributes`: synthetic people, so that a real privacy figure needs nobody's privacy.

    python -m benchmarks.synthpai personas.json ATTRIBUTES.jsonl

`personas.json` is user name -> profile (SynthPAI, ETH Zurich, MIT). Names stand in the output: keep it as you keep the input. Numbers become bands, and words that say
the same become one; what hardly two people have (most occupations, places) stays as it is, and is not asked about.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

AGES = (30, 40, 50, 60)
"""Where a band of ages begins; the first is of all who are younger."""
EDUCATION = {
    "studying": "student", "currently": "student", "high": "high school", "diploma": "high school", "bachelors": "bachelor", "bachelor's": "bachelor",
    "masters": "master", "master's": "master", "mba": "master", "phd": "doctorate", "ph.d.": "doctorate", "phd,": "doctorate", "doctorate": "doctorate", "md": "doctorate",
}  # fmt: skip
"""First word of a persona's education -> its level; others have none."""


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("personas", type=Path)
    parser.add_argument("attributes", type=Path)
    arguments = parser.parse_args()
    personas = json.loads(arguments.personas.read_text(encoding="utf-8"))
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in attribute_rows(personas)]
    arguments.attributes.write_text("".join(lines), encoding="utf-8")
    print(f"{len(lines)} attributes of {len(personas)} people")


def attribute_rows(personas: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, str]]:
    """A row for each attribute of each person."""
    for name, profile in personas.items():
        for attribute, value in _attributes(profile).items():
            if value:
                yield {"platform": "reddit", "name": name, "attribute": attribute, "value": value}


def _attributes(profile: Mapping[str, Any]) -> dict[str, str | None]:
    return {
        "age": age_band(int(profile["age"])),
        "sex": profile["sex"],
        "education": EDUCATION.get(profile["education"].lower().split(" ")[0]),
        "occupation": profile["occupation"].lower(),
        "income": profile["income_level"],
        "relationship": profile["relationship_status"].replace("in relationship", "in a relationship"),
        "country": profile["city_country"].rpartition(",")[2].strip(),
        "birth country": profile["birth_city_country"].rpartition(",")[2].strip(),
    }


def age_band(age: int) -> str:
    """'under 30', '30-39', ..., '60 and over'."""
    first, last = AGES[0], AGES[-1]
    if age < first:
        return f"under {first}"
    return f"{last} and over" if age >= last else f"{age // 10 * 10}-{age // 10 * 10 + 9}"


if __name__ == "__main__":
    main()
