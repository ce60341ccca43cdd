"""The page for people: what it asks of the service, and the page itself in a browser without a network, where there is one."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from running_service import Running
from serving_lake import TOPICS, copied_lake, history, person_id

from lake.config import LakeConfig
from lake.labels import label_item_id
from pipeline import cli
from serving.api.pages import PAGES

BROWSER = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
STARGAZER = person_id("stargazer")
TELLS = {"telescopes": "known", "galaxies": "done later", "chess": "new"}


def test_what_somebody_did_comes_newest_first_with_its_labels_and_pages_fit(service: Running) -> None:
    acts = service.hits("people/history", user=STARGAZER)
    assert [act["unit_id"] for act in acts] == [unit["unit_id"] for unit in reversed(history("stargazer"))], "over chunks"
    assert [(act["specific"], act["broad"], act["community"]) for act in acts] == [(*TOPICS[name], name) for name in ("telescopes", "galaxies", "telescopes")]
    assert "try number" not in str(acts), "a person's words"
    assert service.hits("people/history", user=STARGAZER, offset=1, limit=1) == acts[1:2]
    assert service.hits("people/history", user=STARGAZER, offset=3) == []


def test_as_of_a_moment_what_came_later_is_neither_read_nor_known(service: Running) -> None:
    ask = {"user": STARGAZER, "by": "alike", "limit": 10}
    then = {hit["text"]: hit for hit in service.hits("recommendations", **ask, as_of="2023-01-01T12:00:00Z")}
    telescopes, galaxies = TOPICS["telescopes"][0], TOPICS["galaxies"][0]
    assert [(then[text]["known"], then[text]["later"]) for text in (telescopes, galaxies, TOPICS["chess"][0])] == [(True, False), (False, True), (False, False)]
    acts = [{"platform": "test", "community": row["community"], "text": row["text"]} for row in history("stargazer")[:1]]
    alone = service.hits("histories/recommendations", acts=acts, by="alike", limit=10)
    assert [(hit["item_id"], hit["score"]) for hit in alone] == [(hit["item_id"], pytest.approx(hit["score"], abs=1e-5)) for hit in then.values()]
    now = service.hits("recommendations", **ask)
    assert {hit["later"] for hit in now} == {None}
    late = service.hits("recommendations", **ask, as_of="2030-01-01T00:00:00Z")
    assert [(hit["item_id"], hit["known"], hit["later"]) for hit in late] == [(hit["item_id"], hit["known"], False) for hit in now]
    new = service.hits("recommendations", **ask, as_of="2023-01-01T12:00:00Z", only_new=True)
    assert {galaxies, telescopes} & {hit["text"] for hit in new} == {galaxies}


def test_the_command_line_tells_what_was_done_later(loaded: LakeConfig, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lake = copied_lake(loaded, tmp_path)
    words = ["serving", "recommend", "--user", STARGAZER, "--by", "alike", "--lake", lake.path]
    assert cli.main([*words, "--as-of", "2023-01-01T12:00:00Z"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [name for name in ("telescopes", "galaxies", "chess") for line in lines if re.search(rf"{TELLS[name]}  +{re.escape(TOPICS[name][0])}", line)] == [
        *TELLS
    ]
    assert cli.main([*words, "--as-of", "then"]) == 1
    assert "question.as_of" in capfd.readouterr().err


def test_a_person_is_found_by_any_account_and_a_name_that_nobody_has_is_unknown(service: Running) -> None:
    status, answer, _ = service.request("POST", "/v1/people/find", {"user": person_id("baker's second account")})
    assert (status, answer["result"]["person_id"]) == (200, person_id("baker"))
    assert answer["result"]["user_ids"] == sorted([person_id("baker"), person_id("baker's second account")])
    status, answer, _ = service.request("POST", "/v1/people/find", {"platform": "test", "name": "somebody"})
    assert (status, answer["code"]) == (404, "unknown_id")


def test_the_page_is_open_holds_nothing_and_may_ask_nobody_else(service: Running) -> None:
    for path, (_, _, kind) in PAGES.items():
        status, content, headers = service.request("GET", path)
        assert (status, headers["content-type"]) == (200, kind), path
        assert "default-src 'none'" in headers["content-security-policy"]
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", content), path
        assert "innerHTML" not in content
    assert service.request("POST", "/")[0] == 405
    assert service.request("GET", "/explorer/")[0] == 404


def shown(service: Running, address: str, folder: Path) -> str:
    """What a browser shows at an address, once it has asked all that it asks."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}", "--virtual-time-budget=20000", "--dump-dom"]
    found = subprocess.run([*command, f"http://127.0.0.1:{service.port}/{address}"], capture_output=True, text=True, timeout=120)  # type: ignore[list-item]
    return found.stdout


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH")
def test_a_browser_shows_people_moments_texts_and_what_is_wrong(service: Running, tmp_path: Path) -> None:
    person = shown(service, f"#/person/{STARGAZER}/2023-01-01T12:00:00Z", tmp_path / "a")
    assert len(re.findall(r"<circle", person)) == 3
    assert 'class="moment"' in person
    assert all(words in person for words in ("Did then", TOPICS["galaxies"][0], "done later"))
    assert person_id("astrophotographer")[:16] in person
    text = shown(service, "#/text/Observing%20the%20night%20sky", tmp_path / "b")
    assert text.index(STARGAZER[:16]) < text.index(person_id("baker")[:16])
    hostile = shown(service, "#/text/%3Cimg%20src%3Dx%20onerror%3Ddocument.title%3D1%3E", tmp_path / "c")
    assert ("<img" in hostile, "&lt;img" in hostile) == (False, True)
    assert "the index has no such person or item" in shown(service, "#/person/nobody", tmp_path / "d")
    item = shown(service, f"#/item/{label_item_id('broad', 'Cycling')}/Cycling", tmp_path / "e")
    assert item.index(person_id("cyclist")[:16]) < item.index(person_id("baker")[:16])
