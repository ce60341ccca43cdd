"""Titles and times of exports, as each language writes them."""

from datetime import UTC, datetime

import pytest

from etl.platforms.takeout.dates import page_time
from etl.platforms.takeout.titles import TitleReader, left_out_kind

MARCH = datetime(2024, 3, 2, 14, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("title", "read"),
    [
        ("Searched for Watched tea", ("search", "Watched tea")),
        ("Listened to a song", ("listen", "a song")),
        ("Nach „grüner Tee“ gesucht", ("search", "grüner Tee")),
        ("Du hast nach Tee gesucht", ("search", "Tee")),
        ("Ein Lied angesehen", ("watch", "Ein Lied")),
        ("Du hast Ein Lied angesehen", ("watch", "Ein Lied")),
        ("A aimé Une chanson", ("like", "Une chanson")),
        ("Buscaste té verde", ("search", "té verde")),
        ("Viste Un vídeo", ("watch", "Un vídeo")),
        ("「緑茶」の淹れ方 を視聴しました", ("watch", "「緑茶」の淹れ方")),
        ("「緑茶」を検索しました", ("search", "緑茶")),
        ("動画 を高く評価しました", ("like", "動画")),
        ("Gezocht naar thee", None),
        ("Searched for", None),
        ("Watched", None),
        ("", None),
    ],
)
def test_a_title_says_what_was_done(title, read):
    assert TitleReader().read(title) == read


def test_the_language_of_the_history_decides_between_two_readings():
    german, english = TitleReader(), TitleReader()
    german.read("Ein Lied angesehen")
    english.read("Searched for a song")
    assert german.read("Watched by night angesehen") == ("watch", "Watched by night")
    assert english.read("Watched Serie zum ersten Mal angesehen") == ("watch", "Serie zum ersten Mal angesehen")


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("Subscribed to Cat Channel", "subscription"),
        ("N’a pas aimé Une chanson", "dislike"),
        ("3 notifications", "notification"),
        ("Ein Video angesehen, das entfernt wurde", "removed video"),
        ("Sought tea", None),
    ],
)
def test_a_title_says_what_is_no_act(title, kind):
    assert left_out_kind(title) == kind


@pytest.mark.parametrize(
    "text",
    [
        "Mar 2, 2024, 6:04:05 AM PST",
        "Mar 2, 2024, 7:04:05 AM PDT",
        "2 Mar 2024, 14:04:05 GMT",
        "2 Mar 2024, 2:04:05 pm UTC",
        "2 Mar 2024, 19:34:05 IST",
        "02.03.2024, 15:04:05 MEZ",
        "2. März 2024 um 15:04:05 MEZ",
        "2 mars 2024, 15:04:05 CET",
        "2 mars 2024 à 15:04:05 UTC+1",
        "2 mar 2024, 11:04:05 a.m. GMT-03:00",
        "2 mar 2024, 11:04:05 a. m. ART",
        "2 de marzo de 2024, 8:04:05 CST",
        "2024/03/02 23:04:05 JST",
        "2024年3月2日 23:04:05 GMT+9",
        "2024年3月2日 午後11:04:05 JST",
        "2024/03/02 19:49:05 GMT+5:45",
    ],
)
def test_a_time_is_utc_in_any_language(text):
    assert page_time(text) == (MARCH, False)


@pytest.mark.parametrize(("text", "hour"), [("Mar 2, 2024, 12:04:05 AM UTC", 0), ("Mar 2, 2024, 12:04:05 PM UTC", 12), ("2024年3月2日 午前12:04:05 JST", 15)])
def test_noon_and_midnight(text, hour):
    assert page_time(text)[0].hour == hour


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("03/02/2024, 15:04:05 UTC", "time: not a time"),  # day or month first: nobody can tell
        ("2 mar 2024", "time: not a time"),
        ("2 mrt 2024, 15:04:05 CET", "time: unknown month"),
        ("2 mar 2024, 15:04:05 Ortszeit", "time: unknown zone"),
        ("31.02.2024, 15:04:05 MEZ", "time: not a time"),
        ("2 mar 2024, 25:04:05 CET", "time: not a time"),
        ("1 jan 0001, 0:00:00 CET", "time: not a time"),
    ],
)
def test_what_is_no_time_says_why(text, reason):
    with pytest.raises(ValueError, match=f"^{reason}$"):
        page_time(text)
