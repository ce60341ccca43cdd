"""HTML of posts becomes the words that a reader sees, whatever stands in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.platforms.html_text import html_text

PIECES = [
    "<p>",
    "</p>",
    "<pre>",
    "</pre>",
    "<br>",
    "<script>",
    "</script>",
    "<!--",
    "-->",
    "<b",
    "&",
    "&#",
    "&lt;",
    "\n",
    " ",
    "x",
    "\0",
    "\ud800",
    "<![CDATA[",
]


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        ("It doesn&#x27;t\n matter &amp; never did", "It doesn't matter & never did"),
        ("<p>One <i>and</i>\n the same</p>\n\n<p>two</p>", "One and the same\n\ntwo"),
        ("first<p>second<p>third", "first\n\nsecond\n\nthird"),
        ('see <a href="https:&#x2F;&#x2F;example.org&#x2F;long">example.org&#x2F;lo...</a>', "see example.org/lo..."),
        ("<p>a &lt;b&gt; c</p>", "a <b> c"),
        ("<p>so:</p>\n<pre><code>  if a:\n\n      b &lt; c\n</code></pre>\n<p>and\n on</p>", "so:\n\n  if a:\n\n      b < c\n\nand on"),
        ("<ul>\n<li>one</li>\n<li>two</li>\n</ul>", "one\n\ntwo"),
        ("line<br>\n break", "line\nbreak"),
        ('<p>before <img src="http://example.org/x.png" alt="a pot"> after</p>', "before after"),
        ("<p>a</p><script>steal()</script><style>p {}</style><p>b</p>", "a\n\nb"),
        ("<!-- nothing -->", ""),
        ("", ""),
        ("<p>cut o", "cut o"),
    ],
)
def test_words_of_markup(markup, words):
    assert html_text(markup) == words


def test_no_depth_and_no_length_is_too_much():
    assert html_text("<b>" * 100_000 + "deep" + "</b>" * 100_000) == "deep"
    assert len(html_text("<p>" + "x" * 20_000_000)) == 20_000_000


def test_entities_of_a_dtd_are_not_resolved():
    assert "secret" not in html_text('<!DOCTYPE p [<!ENTITY e SYSTEM "file:///etc/hostname"><!ENTITY f "secret">]><p>&e;&f;</p>')


@given(st.lists(st.sampled_from(PIECES) | st.text(st.characters(exclude_categories=()), max_size=5)).map("".join))
def test_any_markup_gives_words_and_leaves_nothing_for_the_next(markup):
    html_text(markup).encode("utf-8", "surrogatepass")
    assert html_text("<p>as ever</p>") == "as ever"
