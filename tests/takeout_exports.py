"""Takeout exports as Google writes them, in five languages: one afternoon of one person, as JSON and as HTML, and the archives they come in.

Titles, file names and dates are in the forms that google_takeout_parser, HPI, the d3i data-donation-task and importers of YouTube histories have in
their tests; what was searched and watched is invented.
"""

import io
import json
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

AT = datetime(2024, 3, 2, 14, 4, 5, tzinfo=UTC)
SEARCH_URL = "https://www.google.com/search?q=siamese+cats"
VISIT_URL = "https://en.wikipedia.org/wiki/Siamese_cat"
CLICK_URL = f"https://www.google.com/url?q={VISIT_URL}&usg=AOvVaw0"
WATCH_URL = "https://www.youtube.com/watch?v=abcdefghij1"


@dataclass(frozen=True)
class Language:
    """How an export in one language writes the same: titles as (before, words with the link, after), the time AT, products, folders and files."""

    search: tuple[str, str, str]
    visit: tuple[str, str, str]
    watch: tuple[str, str, str]
    time: str
    product: str
    advertisement: str
    my_activity: str
    watch_history: str
    chrome_history: str


LANGUAGES = {
    "en": Language(
        ("Searched for\xa0", "siamese cats", ""), ("Visited\xa0", "Siamese cat - Wikipedia", ""), ("Watched\xa0", "Two kittens", ""),
        "Mar 2, 2024, 6:04:05\u202fAM PST", "Search", "From Google Ads", "My Activity/Search/MyActivity",
        "YouTube and YouTube Music/history/watch-history", "Chrome/BrowserHistory",
    ),
    "de": Language(
        ("Gesucht nach: ", "siamese cats", ""), ("Besucht: ", "Siamese cat - Wikipedia", ""), ("", "Two kittens", "\xa0angesehen"),
        "02.03.2024, 15:04:05 MEZ", "Google Suche", "Von Google Anzeigen", "Meine Aktivitäten/Google Suche/MeineAktivitäten",
        "YouTube und YouTube Music/Verlauf/Wiedergabeverlauf", "Chrome/Verlauf",
    ),
    "fr": Language(
        ("Vous avez recherché\xa0", "siamese cats", ""), ("Vous avez consulté\xa0", "Siamese cat - Wikipedia", ""), ("Vous avez regardé\xa0", "Two kittens", ""),
        "2 mars 2024, 15:04:05 UTC+01:00", "Recherche", "Des annonces Google", "Mon activité/Recherche/MonActivité",
        "YouTube et YouTube\xa0Music/historique/watch-history", "Chrome/Historique",
    ),
    "es": Language(
        ("Has buscado\xa0", "siamese cats", ""), ("Has visitado\xa0", "Siamese cat - Wikipedia", ""), ("Has visto\xa0", "Two kittens", ""),
        "2 mar 2024, 11:04:05\u202fa.m. GMT-03:00", "Búsqueda", "Desde Google Ads", "Mi actividad/Búsqueda/MiActividad",
        "YouTube y YouTube Music/historial/historial-de-reproducciones", "Chrome/Historial",
    ),
    "ja": Language(
        ("「", "siamese cats", "」を検索しました"), ("", "Siamese cat - Wikipedia", "\xa0にアクセスしました"), ("", "Two kittens", "\xa0を視聴しました"),
        "2024/03/02 23:04:05 JST", "検索", "Google 広告から", "マイ アクティビティ/検索/マイアクティビティ",
        "YouTube と YouTube Music/履歴/watch-history", "Chrome/履歴",
    ),
}  # fmt: skip


def json_entry(title: str, time: str = "2024-03-02T14:04:05.678Z", **fields: Any) -> dict[str, Any]:
    """An entry of the JSON form; a field given as None is left out."""
    entry = {"header": "Search", "title": title, "titleUrl": SEARCH_URL, "time": time, "products": ["Search"], "activityControls": ["Web & App Activity"]}
    return {name: value for name, value in (entry | fields).items() if value is not None}


def page_entry(lines: Iterable[str], heading: str = "Search", details: Iterable[str] = ()) -> str:
    """An entry of the HTML form; lines may have links."""
    told = "".join(f"&emsp;{detail}<br>" for detail in details)
    return (
        '<div class="outer-cell mdl-cell mdl-cell--12-col mdl-shadow--2dp"><div class="mdl-grid">'
        f'<div class="header-cell mdl-cell mdl-cell--12-col"><p class="mdl-typography--title">{heading}<br></p></div>'
        f'<div class="content-cell mdl-cell mdl-cell--6-col mdl-typography--body-1">{"<br>".join(lines)}<br></div>'
        '<div class="content-cell mdl-cell mdl-cell--6-col mdl-typography--body-1 mdl-typography--text-right"></div>'
        '<div class="content-cell mdl-cell mdl-cell--12-col mdl-typography--caption">'
        f"<b>Products:</b><br>&emsp;{heading}<br>{f'<b>Details:</b><br>{told}' if told else ''}</div></div></div>"
    )


def page(entries: Iterable[str]) -> str:
    """A page of the HTML form, which names no encoding."""
    head = "<html><head><title>My Activity History</title><style>.outer-cell{margin:8px}.mdl-grid{display:flex}</style></head>"
    return f'{head}<body><div class="mdl-grid">{"".join(entries)}</div></body></html>'


def linked(title: tuple[str, str, str], url: str) -> str:
    """A title as HTML writes it."""
    before, words, after = title
    return f'{before}<a href="{url.replace("&", "&amp;")}">{words}</a>{after}'


def searches_as_json(language: Language) -> str:
    """A click, and the search before it, newest first."""
    visit, search = ("".join(title).replace("\xa0", " ") for title in (language.visit, language.search))
    common = {"header": language.product, "products": [language.product]}
    entries = [json_entry(visit, "2024-03-02T14:05:05.123Z", titleUrl=CLICK_URL, **common), json_entry(search, **common)]
    return json.dumps(entries, ensure_ascii=False, indent=2)


def searches_as_page(language: Language) -> str:
    """The same as HTML; a minute after AT is written where AT is."""
    later = language.time.replace(":04:05", ":05:05")
    entries = [
        page_entry([linked(language.visit, CLICK_URL), later], language.product),
        page_entry([linked(language.search, SEARCH_URL), language.time], language.product),
    ]
    return page(entries)


def watches_as_json(language: Language) -> str:
    """A video, an advertisement, and a video that is gone, newest first."""
    before, _, after = (part.replace("\xa0", " ") for part in language.watch)
    common = {"header": "YouTube", "products": ["YouTube"]}
    channel = [{"name": "Cat Channel", "url": "https://www.youtube.com/channel/UCabc"}]
    entries = [
        json_entry(f"{before}Two kittens{after}", titleUrl=WATCH_URL, subtitles=channel, **common),
        json_entry(f"{before}Buy now{after}", titleUrl=f"{WATCH_URL}2", details=[{"name": language.advertisement}], **common),
        json_entry(f"{before}{WATCH_URL}3{after}", titleUrl=f"{WATCH_URL}3", **common),
    ]
    return json.dumps(entries, ensure_ascii=False)


def watches_as_page(language: Language) -> str:
    """The same as HTML."""
    before, _, after = language.watch
    entries = [
        page_entry([linked(language.watch, WATCH_URL), '<a href="https://www.youtube.com/channel/UCabc">Cat Channel</a>', language.time], "YouTube"),
        page_entry([linked((before, "Buy now", after), f"{WATCH_URL}2"), language.time], "YouTube", [language.advertisement]),
        page_entry([linked((before, f"{WATCH_URL}3", after), f"{WATCH_URL}3"), language.time], "YouTube"),
    ]
    return page(entries)


def visits_as_json(*pages: dict[str, Any]) -> str:
    """Chrome's history: a page, and the results it was found on, newest first, unless other pages are given."""
    common = {"page_transition": "LINK", "client_id": "W1vSb98l403jhPeK==", "favicon_url": "https://www.google.com/favicon.ico"}
    pages = pages or (
        {"title": "Siamese cat - Wikipedia", "url": VISIT_URL, "time_usec": 1_709_388_305_123_456},
        {"title": "siamese cats - Google Search", "url": SEARCH_URL, "time_usec": 1_709_388_245_123_456},
    )
    return json.dumps({"Browser History": [common | page for page in pages], "Session": [{"tab": {}}]}, indent=4)


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Files of an export, unpacked."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def write_zip(path: Path, files: Mapping[str, str]) -> None:
    """An export as a .zip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def write_tgz(path: Path, files: Mapping[str, str]) -> None:
    """An export as a .tgz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content.encode())
            archive.addfile(info, io.BytesIO(content.encode()))
