"""The words of Takeout in each language: what titles say was done, products, file names, months and time zones. To add a language, add its words here.

Google writes an export in the language of the account. English, German, French, Spanish and Japanese are here, as found in public parsers and their test
data: google_takeout_parser and HPI (English, German), the d3i data-donation-task (file names and dates of seven languages, from real exports), and small
importers whose tests quote German, French, Spanish (of Spain and of Latin America) and Japanese titles. A title without a known phrase is a reject.
"""

from typing import NamedTuple


class Phrase(NamedTuple):
    """What stands before and after the words of a title that says that something was done."""

    before: str
    after: str = ""


PHRASES: dict[str, dict[str, tuple[Phrase, ...]]] = {
    "en": {
        "search": (Phrase("Searched for "),),
        "visit": (Phrase("Visited "),),
        "watch": (Phrase("Watched "),),
        "listen": (Phrase("Listened to "),),
        "like": (Phrase("Liked "),),
    },
    "de": {
        "search": (Phrase("Gesucht nach: "), Phrase("Nach „", "“ gesucht"), Phrase("Du hast nach ", " gesucht")),
        "visit": (Phrase("Besucht: "), Phrase("", " besucht")),
        "watch": (Phrase("Angesehen: "), Phrase("", " angesehen"), Phrase("Du hast ", " angesehen")),
    },
    "fr": {
        "search": (Phrase("Vous avez recherché "),),
        "visit": (Phrase("Vous avez consulté "),),
        "watch": (Phrase("Vous avez regardé "), Phrase("A regardé ")),
        "like": (Phrase("Vous avez aimé "), Phrase("A aimé ")),
    },
    "es": {
        "search": (Phrase("Has buscado "), Phrase("Buscaste ")),
        "visit": (Phrase("Has visitado "), Phrase("Visitaste ")),
        "watch": (Phrase("Has visto "), Phrase("Viste ")),
    },
    "ja": {
        "search": (Phrase("「", "」を検索しました"),),
        "visit": (Phrase("", "にアクセスしました"),),
        "watch": (Phrase("", "を視聴しました"),),
        "like": (Phrase("", "を高く評価しました"),),
    },
}  # fmt: skip
"""Language -> action -> how a title says so."""

LEFT_OUT: dict[str, tuple[Phrase, ...]] = {
    "subscription": (Phrase("Subscribed to "), Phrase("Vous vous êtes abonné")),
    "dislike": (Phrase("Disliked "), Phrase("N'a pas aimé "), Phrase("Vous n'avez pas aimé "), Phrase("", "を低く評価しました")),
    "use of an app": (Phrase("Used "), Phrase("Se ha utilizado "), Phrase("", "を使用しました")),
    "view": (Phrase("Viewed "), Phrase("Se ha visualizado "), Phrase("Visto "), Phrase("", "を表示しました")),
    "notification": (Phrase("", " notification"), Phrase("", " notifications"), Phrase("", " notificación"), Phrase("", " notificaciones")),
    "saving": (Phrase("Saved "), Phrase("Added ")),
    "dismissal": (Phrase("Dismissed "), Phrase("", " a été fermé")),
    "survey": (Phrase("Answered "), Phrase("Voted on ")),
    "removed video": (Phrase("Ein Video angesehen, das entfernt wurde"),),
}
"""What makes no act -> how titles of histories that we read say so."""

PRODUCTS = {
    "Google Search": ("Search", "Suche", "Google Suche", "Recherche", "Recherche Google", "Búsqueda", "Búsqueda de Google", "検索", "Google 検索"),
    "Google Images": ("Image Search", "Bildersuche", "Recherche d'images", "Búsqueda de imágenes", "画像検索"),
    "Google Videos": ("Video Search", "Videosuche", "Videosuchen", "Recherche de vidéos", "Búsqueda de vídeos", "Búsqueda de videos", "動画検索"),
    "Google News": ("News", "Google News", "Nachrichten", "Actualités", "Google Actualités", "Noticias", "Google Noticias", "ニュース", "Google ニュース"),
    "YouTube": ("YouTube",),
    "YouTube Music": ("YouTube Music",),
    "Chrome": ("Chrome",),
}
"""Product whose every entry we must understand -> what exports call it. Of other products, entries with a known phrase are taken, and no other."""

ADVERTISEMENTS = (
    "from google ads", "von google anzeigen", "von google ads", "aus google ads", "des annonces google", "provenant de google ads", "desde google ads",
    "de los anuncios de google", "anuncios de google", "google 広告から",
)  # fmt: skip
"""Details, in lower case, of an entry that came about by an advertisement."""

HISTORY_FILES = frozenset({
    "myactivity", "meineaktivitäten", "monactivité", "miactividad", "マイアクティビティ",
    "watchhistory", "wiedergabeverlauf", "historialdereproducciones", "再生履歴", "視聴履歴",
    "searchhistory", "suchverlauf", "historiquedesrecherches", "historialdebúsqueda", "historialdebúsquedas", "検索履歴",
    "browserhistory",
})  # fmt: skip
"""Names of files that hold histories, without suffix, spaces, hyphens and capitals."""

CHROME_FILES = frozenset({"history", "verlauf", "historique", "historial", "履歴"})
"""The same for files in the folder Chrome."""

_MONTH_NAMES = (
    "jan january januar jän jänner janv janvier ene enero", "feb february februar févr février febrero", "mar march märz mär mrz mars marzo",
    "apr april avr avril abr abril", "may mai mayo", "jun june juni juin junio", "jul july juli juil juillet julio", "aug august août ago agosto",
    "sep sept september septembre septiembre", "oct october okt oktober octobre octubre", "nov november novembre noviembre",
    "dec december dez dezember déc décembre dic diciembre",
)  # fmt: skip
MONTHS = {name: month for month, names in enumerate(_MONTH_NAMES, start=1) for name in names.split()}
"""Name of a month, or its abbreviation without a dot, in lower case -> its number."""

_HOURS = {
    "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "WEZ": 0, "BST": 1, "WEST": 1, "WESZ": 1, "CET": 1, "MEZ": 1, "WAT": 1, "CEST": 2, "MESZ": 2, "EET": 2, "OEZ": 2,
    "CAT": 2, "SAST": 2, "EEST": 3, "OESZ": 3, "MSK": 3, "TRT": 3, "EAT": 3, "PKT": 5, "IST": 5.5, "ICT": 7, "WIB": 7, "HKT": 8, "SGT": 8, "AWST": 8, "JST": 9,
    "KST": 9, "ACST": 9.5, "AEST": 10, "ACDT": 10.5, "AEDT": 11, "NZST": 12, "NZDT": 13, "NDT": -2.5, "NST": -3.5, "ADT": -3, "ART": -3, "BRT": -3, "CLST": -3,
    "UYT": -3, "AST": -4, "BOT": -4, "CLT": -4, "VET": -4, "EDT": -4, "COT": -5, "PET": -5, "EST": -5, "CDT": -5, "CST": -6, "MDT": -6, "MST": -7, "PDT": -7,
    "PST": -8, "AKDT": -8, "AKST": -9, "HST": -10,
}  # fmt: skip
ZONES = {zone: round(hours * 60) for zone, hours in _HOURS.items()}
"""Abbreviation of a time zone -> minutes before UTC. CST is America's, IST India's: China and Ireland are written as GMT+8 and GMT+1."""
