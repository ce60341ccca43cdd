"""Platforms are found by name, also where no metadata of the distribution is at hand."""

import pytest

from conf.errors import ConfigError
from etl import platforms
from etl.platforms import find_platform, load_platform, platform_reference


@pytest.mark.parametrize("name", platforms.BUILT_IN)
def test_a_built_in_platform_is_found_and_goes_by_the_name_it_is_found_by(name):
    assert find_platform(name).name == name


def test_an_unknown_platform_is_an_error_that_lists_the_installed_ones():
    with pytest.raises(ConfigError, match=r"'myspace' is not installed; installed are .*reddit"):
        platform_reference("myspace")


def test_the_built_in_platform_is_found_without_metadata(monkeypatch):
    monkeypatch.setattr(platforms, "entry_points", lambda group: [])
    assert load_platform(platform_reference("reddit")).name == "reddit"
