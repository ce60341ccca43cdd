"""A configuration file is checked to its last key, the options of platforms included."""

from pathlib import Path

import pytest

from conf.errors import ConfigError
from pipeline.check_config import check_config


@pytest.mark.parametrize(
    ("platforms", "message"),
    [
        ("{myspace: {}}", "platform 'myspace' is not installed"),
        ("{reddit: {months: 3}}", r"unknown key etl\.platforms\.reddit\.months"),
        ("{generic: {name: shop, sources: [{files: a.csv}]}}", r"etl\.platforms\.generic\.sources\.0\.columns: Field required"),
    ],
)
def test_a_wrong_option_of_a_platform_is_named(tmp_path: Path, platforms: str, message: str) -> None:
    (tmp_path / "a.yaml").write_text(f"etl: {{platforms: {platforms}}}\n")
    with pytest.raises(ConfigError, match=message):
        check_config(str(tmp_path / "a.yaml"))
