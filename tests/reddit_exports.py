"""Reddit's personal exports in true form: the columns, times and links of fixtures in public importers (reddit-user-to-sqlite, potluck, Epicenter)."""

import csv
import zipfile
from collections.abc import Iterable
from io import StringIO
from pathlib import Path

COMMENTS = ("id", "permalink", "date", "ip", "subreddit", "gildings", "link", "parent", "body", "media")
POSTS = ("id", "permalink", "date", "ip", "subreddit", "gildings", "title", "url", "body")
ADDRESS = "203.0.113.7"
"""Of whoever wrote; it must stand nowhere in the lake."""


def comment(native_id: str = "c1", parent: str = "", thread: str = "abc", body: str = "words", **fields: str) -> dict[str, str]:
    """A row of comments.csv; `parent` is bare, or '' where the post is answered."""
    link = f"https://www.reddit.com/r/tea/comments/{thread}/a_title/"
    row = {
        "id": native_id, "permalink": f"{link}{native_id}/", "date": "2019-03-05 12:34:56 UTC", "ip": ADDRESS, "subreddit": "tea", "gildings": "0",
        "link": link, "parent": parent, "body": body, "media": "",
    }  # fmt: skip
    return row | fields


def post(native_id: str = "abc", title: str = "a title", body: str = "", **fields: str) -> dict[str, str]:
    """A row of posts.csv."""
    link = f"/r/tea/comments/{native_id}/a_title/"
    row = {
        "id": native_id, "permalink": f"https://www.reddit.com{link}", "date": "2019-03-05 12:34:56 UTC", "ip": ADDRESS, "subreddit": "tea", "gildings": "0",
        "title": title, "url": link, "body": body,
    }  # fmt: skip
    return row | fields


def as_csv(columns: Iterable[str], rows: Iterable[dict[str, str]]) -> str:
    """A file as the export writes it."""
    text = StringIO()
    writer = csv.DictWriter(text, list(columns))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def statistics(account: str) -> str:
    """statistics.csv of an account."""
    rows = {"account name": account, "export time": "2023-05-02 06:57:14 UTC", "registration date": "2014-05-19 22:02:20 UTC", "email address": "a@b.example"}
    return as_csv(("statistic", "value"), [{"statistic": name, "value": value} for name, value in rows.items()])


def write_export(path: Path, comments: Iterable[dict[str, str]] = (), posts: Iterable[dict[str, str]] = (), account: str | None = "Ada") -> None:
    """An export as a .zip, with files that hold no acts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("comments.csv", as_csv(COMMENTS, comments))
        archive.writestr("comment_votes.csv", "id,permalink,direction\nx,y,up\n")
        archive.writestr("posts.csv", as_csv(POSTS, posts))
        if account:
            archive.writestr("statistics.csv", statistics(account))
