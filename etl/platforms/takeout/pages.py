"""One entry of a history's HTML page -> the same as the JSON form tells, to the second.

An entry is a `div.outer-cell`: a heading, a cell with lines (the title, with its link; the channel; the time), and a caption with products and details.
"""

from collections.abc import Iterator

from lxml import etree

from etl.platforms.takeout.activity import Activity
from etl.platforms.takeout.acts import in_order
from etl.platforms.takeout.dates import NO_ZONE, page_time

Line = tuple[str, str | None]
"""Text of a line, and where its first link leads."""


def page_activity(entry: bytes) -> Activity:
    """An entry as it stands in HTML. Raises ValueError whose message is a reason for `rejects`."""
    if entry.count(b"<div") > entry.count(b"</div>"):
        raise ValueError("entry breaks off")  # its time may have lost its zone
    cells = _cells(entry)
    lines = cells.get("body", [])
    if len(lines) < 2:
        raise ValueError("not an entry of a history")
    (title, url), *further, (time, _) = lines
    at, has_no_zone = page_time(in_order(time))
    products = [text for text, _ in cells.get("caption", [])]
    heading = next((text for text, _ in cells.get("header", [])), "")
    return Activity(
        title=title, url=url, at=at, product=products[1] if len(products) > 1 else heading, channel=next((text for text, link in further if link), None),
        details=products[2:], source_text="\n".join(in_order(text) for text, _ in lines), raw="\n".join(text for text, _ in lines), bytes=len(entry),
        casts=(NO_ZONE,) if has_no_zone else (),
    )  # fmt: skip


def _cells(entry: bytes) -> dict[str, list[Line]]:
    """Lines of the heading, the first cell with a text of its own, and the caption."""
    # A parser an entry: hostile markup must not reach the next one. Neither the network nor entities of the document's own are looked up.
    parser = etree.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False, remove_comments=True, remove_pis=True)
    try:
        root = etree.fromstring(entry, parser)
    except etree.LxmlError:
        return {}
    cells: dict[str, list[Line]] = {}
    for cell in root.iter("div") if root is not None else ():
        classes = cell.get("class", "")
        for name, mark in (("header", "header-cell"), ("body", "mdl-typography--body-1"), ("caption", "mdl-typography--caption")):
            if mark in classes and name not in cells:
                cells[name] = [(text, url) for text, url in _lines(cell) if text or url]
    return cells


def _lines(cell: etree._Element) -> Iterator[Line]:
    """Lines of a cell, which end at a break, without space around them."""
    texts: list[str] = []
    url: str | None = None
    for event, element in etree.iterwalk(cell, events=("start", "end")):
        if event == "start" and element.tag == "br":
            yield "".join(texts).strip(), url
            texts, url = [], None
        if event == "start":
            url = url or (element.get("href") if element.tag == "a" else None)
            texts.append(element.text or "")
        elif element is not cell:
            texts.append(element.tail or "")
    yield "".join(texts).strip(), url
