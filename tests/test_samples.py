"""The sample data: sound, varied, and taken by the families they are for."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from ingestbox import families, samples
from ingestbox.model import Role
from ingestbox.samples import (
    ARTICLES,
    FILES,
    SAMPLES,
    UPLOADS,
    Sample,
    SampleArticles,
    SampleFile,
    SampleUploads,
)
from tests.families.contacts.person import Person
from tests.harness import BoxProcess, until, wait_job

VIETNAMESE = re.compile(r"[ăâđêôơưĂÂĐÊÔƠƯạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ]")
COMMENT = re.compile(r"\d\d/[A-Z][a-z]{2}/\d\d \d\d:\d\d [AP]M;[^;]+;.+")


@pytest.fixture(params=SAMPLES, ids=[sample.file for sample in SAMPLES])
def sample(request: pytest.FixtureRequest) -> Sample:
    found: Sample = request.param
    return found


def test_every_file_has_its_entry_and_every_entry_its_family() -> None:
    files = {path.name for path in samples.FOLDER.iterdir() if path.suffix not in (".py", "")}
    named = {name for each in SAMPLES for name in (each.file, each.imperfect) if name}
    others: list[SampleFile | SampleUploads | SampleArticles] = [*FILES, *UPLOADS, *ARTICLES]
    assert files == named | {each.file for each in others}
    owners = {
        *(each.family for each in SAMPLES),
        *(each.family for each in FILES),
        *(each.family for each in UPLOADS),
        *(each.family for each in ARTICLES),
    }
    assert owners == set(families.FAMILIES)


def test_samples_are_not_one_record_over_and_over(sample: Sample) -> None:
    records = samples.records(sample.file)
    assert 100 <= len(records) <= 300
    keys = [record[sample.key] for record in records]
    assert len(set(keys)) == len(keys)
    assert set(sample.shown) <= set(keys)
    texts = {msgspec.json.encode({**record, sample.key: ""}) for record in records}
    assert len(texts) == len(records)


def test_feedback_is_half_english_half_vietnamese() -> None:
    records = samples.records("feedback.ndjson")
    vietnamese = [each for each in records if VIETNAMESE.search(each["summary"] + each["description"])]
    assert 0.4 < len(vietnamese) / len(records) < 0.6
    comments = [comment for each in records for comment in each.get("comments", ())]
    assert len(comments) > 60
    assert all(COMMENT.fullmatch(comment) for comment in comments)
    for field in ("company", "product", "channel", "created_at"):
        assert len({record[field] for record in records}) > 5


def test_the_families_own_call_takes_every_sample(box: BoxProcess, sample: Sample) -> None:
    with box.client(workspace=f"samples-{sample.family}") as client:
        for _, body in samples.bodies(sample):
            answer = client.post(sample.path, content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code == 200, answer.text
            job = wait_job(client, answer.json()["job_id"])
            assert (job["status"], job["errors"]) == ("completed", [])
        for key in sample.shown:
            found: dict[str, Any] = client.get(f"{sample.look}/{key}").raise_for_status().json()
            assert set(sample.fields) <= set(found)


def test_of_the_imperfect_ones_the_good_are_taken(box: BoxProcess) -> None:
    body = {"records": samples.records("feedback-imperfect.ndjson")}
    with box.client(workspace="imperfect") as client:
        assert client.post("/api/data-ingest", json=body).status_code == 422
        answer = client.post("/api/data-ingest?mode=partial", json=body)
        assert answer.status_code == 200
        outcomes = [each["outcome"] for each in answer.json()["outcomes"]]
    assert outcomes == ["accepted", "rejected", "rejected", "rejected", "accepted", "rejected"]


@pytest.mark.parametrize("sample", FILES, ids=[each.file for each in FILES])
def test_of_a_file_exactly_what_is_named_stands_in_the_way_and_the_repairs_settle_it(
    box: BoxProcess, sample: SampleFile
) -> None:
    person = Person(box, Role.UPLOADER, Role.EDITOR, subject="sampler")
    content = (samples.FOLDER / sample.file).read_bytes()
    answer = person.client.post(sample.path, files={"file": (sample.file, content)})
    assert answer.status_code == 201, answer.text
    job_id, total = answer.json()["job_id"], answer.json()["total_rows"]
    assert total == sample.rows == len(content.splitlines()) - 1
    assert person.settled(job_id)["job_status"] == "NEEDS_REVIEW"
    issues = person.issues(job_id)
    assert Counter(each["issue_type"] for each in issues) == sample.issues
    rows = {row["row_number"]: row["staging_id"] for each in issues for row in each["affected_rows"]}
    assert {number for number, _ in sample.repairs} <= set(rows)
    for number, members in sample.repairs:
        body = {"staging_status": "READY", **members}
        assert person.client.put(f"/staging/{rows[number]}", json=body).status_code == 200
    assert person.client.post(f"/jobs/{job_id}/reprocess").status_code == 200
    assert person.settled(job_id)["job_status"] == "COMPLETED"
    given_up = sum("DISCARD" in members.values() for _, members in sample.repairs)
    made = person.client.get("/contacts").json()["total"]
    assert made == sample.rows - sample.copies - given_up
    for key in sample.shown:
        assert person.client.get(f"{sample.look}{key}").json()["total"] == 1


def test_contacts_are_people_of_many_tongues_as_a_spreadsheet_writes_them() -> None:
    content = (samples.FOLDER / "contacts.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf") and content.count(b";") > 300 and b"\r\n" in content
    text = content.decode("utf-8-sig")
    for mark in "ãçéêßüễơ":
        assert mark in text
    names = [line.split(";")[1:3] for line in text.splitlines()[1:]]
    assert len({tuple(name) for name in names}) > 55


@pytest.mark.parametrize("sample", UPLOADS, ids=[each.file for each in UPLOADS])
def test_of_uploads_exactly_what_is_named_is_found_out(box: BoxProcess, sample: SampleUploads) -> None:
    bodies = list(samples.uploads(sample))
    assert sum(count for count, _ in bodies) == len(samples.records(sample.file))
    with box.client(workspace=f"samples-{sample.family}") as client:
        ids = []
        for count, body in bodies:
            answer = client.post(sample.path, content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code == 200, answer.text
            assert answer.json()["rows_received"] == count
            ids.append(answer.json()["upload_id"])
            processed(client, f"{sample.path}/{ids[-1]}")
        results = [result for each in ids for result in client.get(f"{sample.path}/{each}").json()["results"]]
        assert sum(each["_duplicate_of"] is not None for each in results) == sample.duplicates
        assert sum(each["_email_valid"] is False for each in results) == sample.invalid
        for fact in ("_free_mail", "_disposable"):
            assert 0 < sum(each[fact] for each in results) < 10
        name, condition = sample.segment
        asked = {"name": name, "filter": condition}
        answer = client.post(f"{sample.path}/{ids[0]}/segments", json=asked)
        assert answer.status_code == 200, answer.text
        found = client.get(f"{sample.path}/{ids[0]}", params={"filter": json.dumps(condition)})
        assert len(found.raise_for_status().json()["records"]) == sample.selected


def processed(client: httpx2.Client, path: str) -> dict[str, Any]:
    """An upload once all that is known of it is."""

    def there() -> dict[str, Any] | None:
        upload: dict[str, Any] = client.get(path).raise_for_status().json()
        return upload if upload["rows_processed"] == upload["rows_stored"] else None

    return until(there, f"{path} is processed")


def test_an_audience_is_half_english_half_vietnamese_and_nobody_real() -> None:
    records = samples.records("audience.ndjson")
    vietnamese = [
        each
        for each in records
        if each.get("language") == "vi" or VIETNAMESE.search("".join(map(str, each.values())))
    ]
    assert 0.4 < len(vietnamese) / len(records) < 0.6
    elsewhere = Counter[str]()
    for record in records:
        for field in ("business_email", "personal_email", "email", "domain", "company_domain"):
            local, _, domain = record.get(field, "").strip().lower().rpartition("@")
            if domain and not domain.endswith(".example") and domain != "not an address":
                elsewhere[domain] += 1
                # No mailbox there can be called so: one has no hyphens, the other begins with a letter.
                assert (domain != "gmail.com" or "-" in local) and (
                    domain != "outlook.com" or local[0].isdigit()
                )
    assert set(elsewhere) == {"gmail.com", "outlook.com", "mailinator.com"}
    assert any(not any("email" in name for name in record) for record in records), "one of a domain alone"
    assert len({name for record in records for name in record}) > 14


def test_bodies_hold_every_record_once_and_those_that_come_again_have_new_keys(sample: Sample) -> None:
    records = samples.records(sample.file)
    sent: list[Any] = []
    for count, body in samples.bodies(sample):
        batch = msgspec.json.decode(body)[sample.wrap]
        assert len(batch) == count <= sample.batch
        sent += batch
    assert sent == records
    twice = itertools.islice(samples.again(sample), 2 * len(records))
    keys = [each[sample.key] for body in twice for each in msgspec.json.decode(body)[sample.wrap]]
    assert len(set(keys) | {record[sample.key] for record in records}) == 3 * len(records)


@pytest.mark.parametrize("sample", ARTICLES, ids=[each.file for each in ARTICLES])
def test_of_articles_exactly_what_is_named_is_found_out(box: BoxProcess, sample: SampleArticles) -> None:
    path = "/knowledge-management/content"
    with box.client(workspace=f"samples-{sample.family}") as client:
        answer = client.post(
            sample.path, content=samples.articles(sample), headers={"Content-Type": "application/json"}
        ).raise_for_status()
        assert answer.json()["rejected_items"] == 0

        def ended() -> dict[str, Any] | None:
            query = {"batch_id": sample.batch_id}
            found: dict[str, Any] = client.get(f"{path}/status", params=query).raise_for_status().json()
            return found if found["overall_status"] == "completed" else None

        items = until(ended, "the articles are processed")["items"]
        assert sum(each.get("held", False) for each in items) == sample.low
        every = [client.get(f"{path}/{each['content_id']}").raise_for_status().json() for each in items]
        assert sum(bool(each["near_duplicates"]) for each in every) == sample.alike
        assert {each["result"]["language"]["code"] for each in every} == {"vi", "en"}
        for text, title in sample.searches:
            found = client.post(sample.search, json={"query": text, "top_k": 3}).raise_for_status().json()
            assert found["results"][0]["title"] == title


def test_articles_name_nobody_real() -> None:
    from ingestbox.enrich.pii import finds

    every = samples.records("knowledge.ndjson")
    assert all(re.match(r"https://[a-z.-]+\.example/", each["source_url"]) for each in every)
    found = {find.value for each in every for find in finds(each["content"])}
    mails = {value for value in found if "@" in value}
    assert mails and all(value.endswith(".example") for value in mails)
    assert "4111111111111111" in found


def test_the_files_are_part_of_the_package() -> None:
    root = Path(samples.__file__).parents[2]
    declared = (root / "pyproject.toml").read_text("utf-8")
    kinds = {path.suffix for path in samples.FOLDER.iterdir() if path.is_file()} - {".py"}
    assert all(f'"*{kind}"' in declared for kind in kinds)


def test_every_family_has_its_samples_as_a_file_of_rows() -> None:
    for name in families.FAMILIES:
        found = samples.table(name)
        assert found is not None
        assert found[0].endswith(".csv")
        assert found[1].startswith(b"\xef\xbb\xbf")
    assert samples.table("nobody") is None


def test_samples_of_records_are_taken_as_a_file_too(box: BoxProcess) -> None:
    found = samples.table("feedback")
    assert found is not None
    with box.client(workspace="samples-as-rows") as client:
        answer = client.post("/api/upload", files={"file": found}).raise_for_status().json()
        assert answer["file_info"]["rows"] == len(samples.records("feedback.ndjson"))
        assert answer["file_info"]["text_columns"] == ["summary", "description", "comments 1", "comments 2"]
        assert wait_job(client, answer["job_id"])["status"] == "completed"
        sample = SAMPLES[0]
        ticket = client.get(f"{sample.look}/{sample.shown[0]}").raise_for_status().json()
        assert ticket["extra"]["company"]
