"""HTML bodies -> plain text: paragraphs apart, links as their words, code as it stands (lxml, which fetches nothing and resolves no entity of a DTD)."""

import html
from functools import cache

from lxml import etree
from pydantic import Field

from conf.settings import StageConfig

_PARAGRAPHS = frozenset((
    "p", "div", "pre", "blockquote", "ul", "ol", "li", "dl", "dt", "dd", "table", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "section", "article",
))  # fmt: skip
_NO_WORDS = frozenset(("script", "style", "template"))
_LINE_END = "\0"
"""Of a `br`, since line ends of the source are white space. NUL stands in no document that is parsed."""


class HtmlOptions(StageConfig):
    """Options of a platform whose texts are HTML."""

    keep_html: bool = Field(False, description="Keep the HTML of each text as `source_text` beside its words, for training on several formats.")


def kept_html(markup: str | None, options: StageConfig) -> str | None:
    """The HTML where it is to be kept."""
    return markup if isinstance(options, HtmlOptions) and options.keep_html else None


def html_text(markup: str) -> str:
    """The words of an HTML fragment. Paragraphs are parted by an empty line; white space counts only inside `pre`; images leave nothing."""
    if "<" not in markup:
        return _one_line(html.unescape(markup))
    document = markup.replace(_LINE_END, "").encode("utf-8", "replace")
    try:
        return etree.fromstring(document, _parser())
    except etree.LxmlError:  # nothing but a comment, or a tag that breaks off
        _parser.cache_clear()
        return ""


class _Words:
    """What the parser tells of a document, gathered to paragraphs. No tree is made, so that no depth of nesting is too much."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._paragraphs: list[str] = []
        self._pieces: list[str] = []
        self._code_depth = self._silent_depth = 0

    def start(self, tag: str, attributes: object) -> None:
        if tag in _PARAGRAPHS:
            self._end_paragraph()
        self._code_depth += tag == "pre"
        self._silent_depth += tag in _NO_WORDS
        if tag == "br":
            self._pieces.append(_LINE_END)

    def end(self, tag: str) -> None:
        if tag in _PARAGRAPHS:
            self._end_paragraph()
        self._code_depth -= tag == "pre"
        self._silent_depth -= tag in _NO_WORDS

    def data(self, text: str) -> None:
        if not self._silent_depth:
            self._pieces.append(text)

    def close(self) -> str:
        self._end_paragraph()
        text = "\n\n".join(self._paragraphs)
        self._begin()  # a parser has one target for all its documents
        return text

    def _end_paragraph(self) -> None:
        if not self._pieces:
            return
        lines, self._pieces = "".join(self._pieces).split(_LINE_END), []
        text = "\n".join(lines).strip("\n") if self._code_depth else "\n".join(map(_one_line, lines)).strip()
        if text and not text.isspace():
            self._paragraphs.append(text)


def _one_line(text: str) -> str:
    return " ".join(text.split())


@cache
def _parser() -> etree.HTMLParser:
    """One in a process. `huge_tree` lifts limits on depth and length: what is parsed is in memory already, and no tree is made of it."""
    return etree.HTMLParser(target=_Words(), encoding="utf-8", no_network=True, huge_tree=True)
