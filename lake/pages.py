"""HTML pages for people, each in one file that needs no network: the templates' engine, and how all pages begin and look."""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def page_environment(package: str) -> Environment:
    """Templates of a package, and the shared `head.html` and `page.css`. Every text is escaped unless a template says otherwise, and a value that is not there is an error."""
    loader = ChoiceLoader([PackageLoader(package), PackageLoader("lake")])
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
