"""Platforms are found by name, also where no metadata of the distribution is at hand."""

import pytest

from conf.errors import ConfigError
from etl import platforms
from etl.platforms import find_platform, load_platform, platform_reference


def test_reddit_is_found_by_its_entry_point():
    assert find_platform("reddit").name == "reddit"


def test_an_unknown_platform_is_an_error_that_lists_the_installed_ones():
    with pytest.raises(ConfigError, match=r"'myspace' is not installed; installed are .*reddit"):
        platform_reference("myspace")


def test_the_built_in_platform_is_found_without_metadata(monkeypatch):
    monkeypatch.setattr(platforms, "entry_points", lambda group: [])
    assert load_platform(platform_reference("reddit")).name == "reddit"
