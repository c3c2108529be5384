"""`POST …/search`, and knowledge in `GET /v1/search`: by words and by vectors, at the door of a real box."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from ingestbox import families
from ingestbox.enrich.embedding.hashed import embed
from ingestbox.families.knowledge import vectors
from ingestbox.families.knowledge.searching.filters import params_of
from ingestbox.families.knowledge.searching.finding import Asked, Finding, find
from ingestbox.families.knowledge.searching.query import question
from ingestbox.families.knowledge.shapes import PATH
from ingestbox.store import DATABASE, ReadTx, load_queries
from ingestbox.store.engine import connect_reader, connect_writer
from ingestbox.store.nearest import learn
from tests.families.knowledge.support import (
    People,
    article,
    bulk,
    content,
    faults,
    refused,
    taken,
    wait,
)
from tests.families.knowledge.support import (
    people as new_people,
)
from tests.harness import BoxProcess, until

SEARCH = f"{PATH}/search"

DIABETES_VI = (
    "Bệnh tiểu đường là bệnh mạn tính. Người bệnh tiểu đường cần kiểm tra đường huyết mỗi ngày, ăn ít "
    "tinh bột và uống thuốc đều đặn theo chỉ dẫn của bác sĩ nội tiết tại Hà Nội."
)
HYPERTENSION_VI = (
    "Tăng huyết áp thường không có triệu chứng. Người cao tuổi nên đo huyết áp buổi sáng, giảm muối "
    "trong bữa ăn và tập thể dục nhẹ nhàng để phòng ngừa đột quỵ và suy tim."
)
DIABETES_EN = (
    "Diabetes is a chronic illness. People with diabetes check their blood sugar every day, eat less "
    "starch and take insulin as the endocrinologist prescribes. Ménière is another matter."
)
ASTHMA_EN = (
    "Asthma narrows the airways. Patients carry an inhaler, avoid smoke and dust, and learn to recognise "
    "an attack early, so that they breathe freely again within minutes."
)
VACCINE_EN = (
    "Vaccination protects children against measles. The vaccine calendar of the ministry lists every "
    "dose; nurses record each vaccination in the booklet of the child."
)
DENGUE_BARE = (
    "Sot xuat huyet do muoi van truyen. Nguoi benh sot cao, dau dau, noi ban do; can den benh vien ngay "
    "khi co dau hieu chay mau hoac met la, khong tu y dung thuoc."
)


def _item(name: str, text: str, **fields: object) -> dict[str, object]:
    own = {"source_url": f"https://health.example/{name}", "title": name, "content": text}
    return article(0, **{**own, **fields})


ITEMS = [
    _item("tieu-duong", DIABETES_VI, title="Chăm sóc người bệnh tiểu đường", published_at="2024-03-01"),
    _item("huyet-ap", HYPERTENSION_VI, title="Tăng huyết áp ở người cao tuổi", content_type="guideline"),
    _item(
        "diabetes",
        DIABETES_EN,
        title="Living with diabetes",
        language="en",
        published_at="2023-05-05T08:00:00Z",
        metadata={"category": "Chronic Illness", "tags": ["Sugar", "Nội Tiết"], "authority_score": 90},
    ),
    _item("asthma", ASTHMA_EN, title="Breathing", language="en", published_at=None, source_id="clinic"),
    _item("measles", VACCINE_EN, title="Calendar", language="en", content_type="news", source_id="clinic"),
    _item("dengue", DENGUE_BARE, title="Sot xuat huyet"),
]


@pytest.fixture(scope="module")
def library(box: BoxProcess) -> Iterator[People]:
    """People of a workspace with six articles."""
    with new_people(box) as known:
        bulk(known.crawler, "library", ITEMS)
        wait(known.crawler, batch_id="library")
        yield known


def _search(client: httpx2.Client, query: str, **body: object) -> dict[str, Any]:
    reply = client.post(SEARCH, json={"query": query, **body})
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    assert answer["total"] == len(answer["results"])
    return answer


def _names(client: httpx2.Client, query: str, **body: object) -> list[str]:
    """The last parts of the addresses found."""
    found = _search(client, query, **body)["results"]
    return [each["source_url"].rpartition("/")[2] for each in found]


def _by_words(client: httpx2.Client, query: str, **body: object) -> list[str]:
    """The same of those that have words of the query."""
    found = _search(client, query, **body)["results"]
    return [each["source_url"].rpartition("/")[2] for each in found if each["scores"]["words"] is not None]


def test_a_result_says_what_was_found_where(library: People) -> None:
    answer = _search(library.crawler, "người bệnh tiểu đường", top_k=1)
    (found,) = answer["results"]
    stored = content(library.crawler, found["content_id"])
    names = ("title", "source_url", "source_id", "content_type", "language")
    assert {name: found[name] for name in names} == {
        "title": "Chăm sóc người bệnh tiểu đường",
        "source_url": "https://health.example/tieu-duong",
        "source_id": "ministry-health",
        "content_type": "article",
        "language": "vi",
    }
    assert found["published_at"] == "2024-03-01T00:00:00.000Z"
    assert found["quality_score"] == stored["quality_score"]
    assert found["vector_id"] == stored["vector_id"]
    place = found["passage"]
    text = stored["result"]["text"][place["start"] : place["end"]]
    assert found["snippet"].strip("… ") in " ".join(text.split())
    marked = {found["snippet"][mark["start"] : mark["end"]] for mark in found["marks"]}
    assert {"tiểu", "đường", "bệnh"} <= {each.lower() for each in marked}
    assert found["score"] == 1
    assert found["scores"]["words"] > 0
    assert 0.2 < found["scores"]["vector"] <= 1
    assert (answer["vector"], answer["success"]) == (True, True)
    assert answer["model"].startswith("hashed-ngrams/")
    assert "box" not in found
    assert "indexing" not in answer


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("triệu chứng tăng huyết áp", "huyet-ap"),
        ("trieu chung tang huyet ap", "huyet-ap"),
        ("TRIỆU CHỨNG tăng huyết áp", "huyet-ap"),
        ("sốt xuất huyết do muỗi", "dengue"),
        ("What do people with diabetes have to eat?", "diabetes"),
        ("tại sao người bệnh tiểu đường phải kiểm tra đường huyết", "tieu-duong"),
        ("asthma inhaler", "asthma"),
        ("vaccin*", "measles"),
        ("meniere", "diabetes"),
        ("vaccinating", "measles"),  # no word of it is there: by the vector
    ],
)
def test_finds_with_and_without_diacritics_in_both_languages(library: People, query: str, first: str) -> None:
    assert _names(library.crawler, query)[0] == first


def test_what_is_as_written_comes_first(library: People) -> None:
    written = _by_words(library.crawler, "sốt")
    bare = _by_words(library.crawler, "sot")
    assert written == bare == ["dengue"]
    scores = [each["scores"]["words"] for each in _search(library.crawler, "người", top_k=3)["results"][:2]]
    assert scores[0] >= scores[1]


def test_quotes_insist_and_a_minus_forbids(library: People) -> None:
    assert set(_names(library.crawler, '"blood sugar"')) == {"diabetes"}
    assert _names(library.crawler, '"sugar blood"') == []
    assert "diabetes" not in _names(library.crawler, "chronic illness asthma -insulin")
    assert "asthma" in _names(library.crawler, "chronic illness asthma -insulin")
    assert set(_names(library.crawler, '"huyết áp" người')) == {"huyet-ap"}


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({"language": "en"}, {"diabetes", "asthma", "measles"}),
        ({"language": ["en", "vi"], "source_id": "clinic"}, {"asthma", "measles"}),
        ({"content_type": ["news", "guideline"]}, {"measles", "huyet-ap"}),
        ({"published_after": "2024-03-01"}, {"tieu-duong"}),
        (
            {
                "published_after": "2023-05-05T08:00:00+00:00",
                "published_before": "2023-05-05T08:00:01Z",
            },
            {"diabetes"},
        ),
        ({"published_before": "2023-05-05T08:00:00Z"}, set()),
        ({"url_prefix": "https://health.example/d"}, {"diabetes", "dengue"}),
        ({"tags": "noi tiet"}, {"diabetes"}),
        ({"tags": ["other", " SUGAR "], "category": "chronic illness"}, {"diabetes"}),
        ({"tags": "chronic illness"}, set()),
        ({"quality_min": 1}, set()),
        ({"source_id": "nobody"}, set()),
        ({"source_id": None}, {"tieu-duong", "huyet-ap", "diabetes", "asthma", "measles", "dengue"}),
    ],
)
def test_a_filter_narrows_what_both_find(library: People, wanted: dict[str, object], names: set[str]) -> None:
    every = "diabetes asthma vaccination bệnh sot measles huyết áp"
    assert set(_names(library.crawler, every, filter=wanted, top_k=100)) == names


def test_a_filter_by_quality_has_its_bound_in_it(library: People) -> None:
    found = _search(library.crawler, "bệnh diabetes asthma vaccination", top_k=100)["results"]
    least = sorted(each["quality_score"] for each in found)[1]
    narrowed = _search(
        library.crawler, "bệnh diabetes asthma vaccination", top_k=100, filter={"quality_min": least}
    )
    scores = [each["quality_score"] for each in narrowed["results"]]
    assert min(scores) == least
    assert len(scores) == sum(each["quality_score"] >= least for each in found)


def test_the_order_is_the_same_each_time_and_the_best_come_first(library: People) -> None:
    whole = _search(library.crawler, "bệnh người diabetes", top_k=100)["results"]
    assert [each["score"] for each in whole] == sorted((each["score"] for each in whole), reverse=True)
    assert len({each["content_id"] for each in whole}) == len(whole)
    for top in (1, 3):
        assert _search(library.crawler, "bệnh người diabetes", top_k=top)["results"] == whole[:top]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "query"),
        ({"query": 7}, "query"),
        ({"query": "  "}, "query"),
        ({"query": "?! …"}, "query"),
        ({"query": "-only -without"}, "query"),
        ({"query": "x" * 1001}, "query"),
        ({"query": '"' + "a " * 30 + '"'}, "query"),
        ({"query": "a", "top_k": 0}, "top_k"),
        ({"query": "a", "top_k": 101}, "top_k"),
        ({"query": "a", "top_k": "5"}, "top_k"),
        ({"query": "a", "top_k": True}, "top_k"),
        ({"query": "a", "limit": 5}, "limit"),
        ({"query": "a", "filter": []}, "filter"),
        ({"query": "a", "filter": {"quality": 1}}, "filter.quality"),
        ({"query": "a", "filter": {"quality_min": 2}}, "filter.quality_min"),
        ({"query": "a", "filter": {"published_after": "yesterday"}}, "filter.published_after"),
        ({"query": "a", "filter": {"tags": []}}, "filter.tags"),
        ({"query": "a", "filter": {"language": ["en", 1]}}, "filter.language"),
        ({"query": "a", "filter": {"source_id": ["x"] * 101}}, "filter.source_id"),
    ],
)
def test_what_is_wrong_is_said(library: People, body: dict[str, object], field: str) -> None:
    reply = library.crawler.post(SEARCH, json=body)
    assert [name for name, _ in faults(reply)] == [field]


def test_everything_that_is_wrong_is_said_at_once_and_what_there_is(library: People) -> None:
    reply = library.crawler.post(SEARCH, json={"query": "", "top_k": -1, "filter": {"lang": "vi"}})
    said = dict(faults(reply))
    assert set(said) == {"query", "top_k", "filter.lang"}
    assert "source_id, content_type, language" in said["filter.lang"]
    assert refused(library.crawler.post(SEARCH, content=b"[1"), 400, "validation_failed")
    assert refused(library.crawler.post(SEARCH, content=b"[1]"), 400, "validation_failed")


@pytest.mark.parametrize(
    "query",
    [
        "a",
        "the of and",
        "AND OR NOT NEAR(a b, 2)",
        '" OR 1=1 --',
        "^title:x {body} : y + z*",
        "a " * 500,
        " ".join(f"w{number}" for number in range(200)),
        "\u0000diabetes\u0000",
        "ﷺ" * 300,
        "😀 diabetes",
        "e" + "\u0301" * 900,
    ],
)
def test_no_query_is_wrong_to_the_engine(library: People, query: str) -> None:
    reply = library.crawler.post(SEARCH, json={"query": query[:1000]})
    assert reply.status_code == 200, reply.text
    assert all(0 <= each["score"] <= 1 for each in reply.json()["results"])


def test_only_those_who_may_and_within_their_workspace(library: People, box: BoxProcess) -> None:
    assert _names(library.uploader, "diabetes")[0] == "diabetes"
    assert _search(library.stranger, "diabetes")["results"] == []
    refused(library.analyst.post(SEARCH, json={"query": "diabetes"}), 403, "forbidden")
    with httpx2.Client(base_url=box.url, trust_env=False, verify=False) as nobody:
        refused(nobody.post(SEARCH, json={"query": "diabetes"}), 401, "authentication_failed")


def test_a_newer_version_of_a_page_stands_for_the_older(people: People) -> None:
    old = taken(people.crawler, _item("page", DIABETES_EN, language="en", crawled_at="2024-01-01T00:00:00Z"))
    other = taken(
        people.crawler, _item("other", DIABETES_EN + " One more, but elsewhere, of this.", language="en")
    )
    found = {each["content_id"] for each in _search(people.crawler, "diabetes insulin")["results"]}
    assert found == {old, other}
    new = taken(
        people.crawler,
        _item("page", DIABETES_EN + " Now revised.", language="en", crawled_at="2024-02-01T00:00:00Z"),
    )
    found = {each["content_id"] for each in _search(people.crawler, "diabetes insulin")["results"]}
    assert found == {new, other}
    own = people.crawler.get("/v1/search", params={"q": "insulin"}).raise_for_status().json()["results"]
    assert {each["id"] for each in own} == {new, other}


def test_each_article_comes_once_with_its_best_passage(people: People) -> None:
    filler = "Nothing of importance happened on that day in the whole of the quiet town. " * 40
    whole = filler + "Leptospirosis spreads with flood water. " + filler
    content_id = taken(people.crawler, _item("long", whole, language="en"))
    (found,) = _search(people.crawler, "leptospirosis flood")["results"]
    text = content(people.crawler, content_id)["result"]["text"]
    place = found["passage"]
    assert place["index"] > 0
    assert "Leptospirosis" in text[place["start"] : place["end"]]
    assert "Leptospirosis" in found["snippet"]
    assert len(found["snippet"]) <= 200


def test_what_is_erased_is_found_no_more(people: People) -> None:
    address = "dr.nguyen@clinic.example"
    text = DIABETES_EN + f" Write to {address} for advice about glucometers."
    kept = taken(people.crawler, _item("asthma", ASTHMA_EN, language="en"))
    taken(people.crawler, _item("mail", text, language="en"))
    assert set(_by_words(people.crawler, f'"{address}"')) == {"mail"}
    reply = people.admin.post("/v1/erasures", json={"email": address})
    assert reply.status_code in (200, 202), reply.text

    def gone() -> bool:
        return _by_words(people.crawler, f'"{address}"') == []

    until(gone, "the address is found no more")
    assert _search(people.crawler, "asthma inhaler")["results"][0]["content_id"] == kept


def test_v1_finds_articles_page_by_page(library: People) -> None:
    params: dict[str, str] = {"q": "bệnh diabetes asthma", "family": "knowledge", "limit": "2"}
    pages: list[list[dict[str, Any]]] = []
    while True:
        page = library.crawler.get("/v1/search", params=params).raise_for_status().json()
        pages.append(page["results"])
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    hits = [hit for page in pages for hit in page]
    assert [len(page) for page in pages[:-1]] == [2] * (len(pages) - 1)
    assert len({hit["id"] for hit in hits}) == len(hits) == page["total"]
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    assert all(0 < hit["score"] <= 0.8 and hit["kind"] == "article" for hit in hits)
    order = [each["content_id"] for each in _search(library.crawler, "bệnh diabetes asthma")["results"]]
    assert [hit["id"] for hit in hits] == order[: len(hits)]


def test_v1_leaves_out_what_is_merely_nearest(library: People) -> None:
    assert _search(library.crawler, "zyzzyva quux")["results"] != []
    page = library.crawler.get("/v1/search", params={"q": "zyzzyva quux"}).raise_for_status().json()
    assert (page["results"], page["total"], page["next_cursor"]) == ([], 0, None)


@pytest.mark.parametrize("cursor", ["x", "W10=", "eyJrbm93bGVkZ2UiOiAieCJ9"])
def test_v1_refuses_what_is_no_cursor_or_no_query(library: People, cursor: str) -> None:
    params = {"q": "diabetes", "family": "knowledge"}
    reply = library.crawler.get("/v1/search", params={**params, "cursor": cursor})
    assert (reply.status_code, reply.json()["code"]) == (400, "bad_parameter")
    reply = library.crawler.get("/v1/search", params={**params, "q": "-x"})
    assert (reply.status_code, reply.json()["code"]) == (400, "bad_parameter")
    assert reply.json()["detail"].startswith("q must")


def test_a_damaged_article_is_found_without_its_text(box: BoxProcess, crawler: httpx2.Client) -> None:
    key = taken(crawler, _item("diabetes", DIABETES_EN, language="en"))
    whole = _search(crawler, "diabetes insulin")["results"][0]
    connection = connect_writer(box.data / DATABASE)
    connection.execute("UPDATE knowledge_articles SET crc = crc + 1 WHERE object_id = ?", (key,))
    connection.close()
    (found,) = _search(crawler, "diabetes insulin")["results"]
    assert found["content_id"] == whole["content_id"]
    assert (found["snippet"], found["marks"]) == ("", [])
    assert found["scores"] == whole["scores"]


QUESTIONS = ("bệnh người diabetes", '"blood sugar" -asthma', "vaccinating", "zyzzyva", "the of")


def test_both_engines_find_the_same_and_words_alone_find_without_vectors(
    library: People, box: BoxProcess
) -> None:
    queries = load_queries({name: family.queries for name, family in families.load().items()})

    def ask(*, extension: bool, vector: bool = True) -> list[Finding]:
        connection = connect_reader(box.data / DATABASE)
        try:
            learn(connection, extension=extension)
            tx = ReadTx(connection, queries)
            model = vectors.serving(tx) if vector else None
            asked = [Asked(question(text), model, embed(text) if vector else b"") for text in QUESTIONS]
            return [find(tx, library.workspace, each, params_of(None, []), 10) for each in asked]
        finally:
            connection.close()

    both = ask(extension=True)
    assert any(each.ranked for each in both)
    assert both == ask(extension=False)
    for found in ask(extension=True, vector=False):
        assert found.model is None
        assert all(each.vector is None and each.words is not None for each in found.ranked)
    assert [bool(each.ranked) for each in ask(extension=True, vector=False)] == [
        True,
        True,
        False,
        False,
        True,
    ]
