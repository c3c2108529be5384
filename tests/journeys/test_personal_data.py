"""Personal data on its way: stored as it was sent; counted in results, or hidden from upstream, or let be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from ingestbox.families.audience.shapes import PATH
from ingestbox.model import delivery_digest
from tests.families.audience.support import person, post, wait_processed
from tests.families.audience.test_segments import make
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job
from tests.journeys.test_forwarding import lane
from tests.journeys.upstream import Upstream, upstream

Json = dict[str, Any]

TEXT = (
    "Khoa Tim mạch khám từ thứ hai đến thứ sáu. Liên hệ bác sĩ An theo số 0912 345 678 hoặc "
    "an.le@hospital.example để đặt lịch. Thanh toán bằng thẻ 4111 1111 1111 1111. "
    "Giá khám là 1.200.000 đồng, áp dụng từ 01/02/2026."
)
HIDDEN = (
    "Khoa Tim mạch khám từ thứ hai đến thứ sáu. Liên hệ bác sĩ An theo số [phone•••••] hoặc "
    "[email•••••••••••••••] để đặt lịch. Thanh toán bằng thẻ [card•••••••••••••]. "
    "Giá khám là 1.200.000 đồng, áp dụng từ 01/02/2026."
)
SECRETS = ("0912 345 678", "an.le@hospital.example", "4111 1111 1111 1111", "4111111111111111")


@pytest.fixture(scope="module")
def server() -> Iterator[Upstream]:
    with upstream() as server:
        yield server


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory, server: Upstream) -> Iterator[BoxProcess]:
    """One that hides what knowledge and audience have, and counts what feedback has."""
    modes = '[pii]\nfeedback = "flag"\ncontacts = "flag"\nknowledge = "redact-before-forwarding"\n'
    modes += 'audience = "redact-before-forwarding"\n[knowledge]\nlow_quality = 0\n'
    folder = tmp_path_factory.mktemp("personal")
    with running(folder, config=lane(server.url) + modes) as box:
        yield box


@pytest.fixture
def client(box: BoxProcess) -> Iterator[httpx2.Client]:
    with box.client() as client:
        yield client


def lines_of(server: Upstream, object_id: str, count: int = 1) -> list[Json]:
    """What upstream was told of an object, oldest first, each sound."""

    def told() -> list[Json] | None:
        lines = [line for batch in server.taken for line in batch.lines if line["id"] == object_id]
        return lines if len(lines) >= count else None

    lines = until(told, f"{count} lines of {object_id}")
    assert len(lines) == count
    for line in lines:
        if line["op"] == "put":
            parts = [
                json.dumps(line[n], ensure_ascii=False, separators=(",", ":")) for n in ("record", "result")
            ]
            assert line["hash"] == delivery_digest(*(part.encode() for part in parts))
    return lines


def stored(client: httpx2.Client, line: Json) -> Json:
    """The record of a line as it is kept."""
    found = client.get(f"/v1/jobs/{line['job_id']}/records").raise_for_status().json()
    record = found["records"][line["lineage"]["row"]]
    whole: Json = client.get(f"/v1/records/{record['id']}").raise_for_status().json()
    return whole


def article(**members: object) -> bytes:
    item = {
        "source_id": "hospital",
        "source_url": "https://hospital.example/lien-he-0912345678?q=an.le%40hospital.example",
        "title": "Liên hệ an.le@hospital.example",
        "content": TEXT,
        "extracted_entities": [{"text": "0912 345 678", "type": "symptom", "confidence": 0.9}],
        **members,
    }
    return json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()


def upload(client: httpx2.Client, body: bytes) -> str:
    reply = client.post(
        "/knowledge-management/content/upload", content=body, headers={"Content-Type": "application/json"}
    )
    assert reply.status_code == 200, reply.text
    content_id: str = reply.json()["content_id"]
    return content_id


def test_an_article_is_stored_as_it_was_sent_and_told_without_what_is_personal(
    box: BoxProcess, client: httpx2.Client, server: Upstream
) -> None:
    body = article()
    (line,) = lines_of(server, upload(client, body))
    assert line["record"]["content"] == HIDDEN
    assert line["record"]["title"] == "Liên hệ [email•••••••••••••••]"
    assert line["record"]["source_url"] == (
        "https://hospital.example/lien-he-0912345678?q=[email•••••••••••••••••]"
    )
    assert line["record"]["extracted_entities"][0]["text"] == "[phone•••••]"
    assert line["result"]["text"] == HIDDEN
    everything = json.dumps(line, ensure_ascii=False)
    assert not [each for each in SECRETS if each in everything]
    assert "pii" not in line["result"]
    kept = stored(client, line)["payload"]
    assert kept == json.loads(body)
    log = box.log.read_text()
    assert not [each for each in SECRETS if each in log]


def test_a_ticket_tells_what_it_has_and_is_forwarded_as_it_is(
    client: httpx2.Client, server: Upstream
) -> None:
    records = [ticket(1, description=TEXT, contact="an.le@hospital.example"), ticket(2)]
    job = post_tickets(client, records)["job_id"]
    wait_job(client, job)
    (line,), (other,) = lines_of(server, "T-1"), lines_of(server, "T-2")
    assert line["record"] == records[0]
    assert line["result"]["pii"] == [
        {"kind": "card", "count": 1},
        {"kind": "email", "count": 2},
        {"kind": "phone", "count": 1},
    ]
    assert "pii" not in other["result"]


def test_a_contact_tells_what_its_row_had(box: BoxProcess, client: httpx2.Client, server: Upstream) -> None:
    row = "E-mail;Nome;Sobrenome;Empresa;CPF\nana@example.com;Ana;Sim\u00f5es;Luz;529.982.247-25\n"
    made = client.post("/jobs/upload", files={"file": ("contatos.csv", row.encode())})
    assert made.status_code == 201, made.text

    def there() -> list[Json] | None:
        every = [line for batch in server.taken for line in batch.lines]
        return [line for line in every if line["family"] == "contacts"]

    (line,) = until(there, "the contact upstream")
    kinds = [(each["kind"], each["count"]) for each in line["result"]["pii"]]
    assert kinds == [("email", 1), ("id", 1)]
    shown = client.get("/contacts").raise_for_status().json()["contacts"]
    assert [each["contact_email"] for each in shown] == ["ana@example.com"]


def test_duplicates_and_segments_hide_it_too_when_they_are_told_anew(
    box: BoxProcess, client: httpx2.Client, server: Upstream
) -> None:
    records = [person(1, business_email="an@firm.example", phone="+84 912 345 678") for _ in range(2)]
    upload_id = post(client, records, "list of an@firm.example")
    wait_processed(client, upload_id)
    (first,), (second,) = (lines_of(server, f"{upload_id}/{index}") for index in (0, 1))
    for line in (first, second):
        assert line["record"]["business_email"] == line["result"]["_email"] == "[email••••••••]"
        assert line["record"]["phone"] == "[phone••••••••]"
        assert line["lineage"]["file"] == "list of [email••••••••]"
    assert second["result"]["_duplicate_of"] == f"{upload_id}/0"
    rule = {"field": "business_email", "op": "=", "value": "an@firm.example"}
    made = make(client, upload_id, "Mails of an@firm.example", filter=rule, forward=True)
    (segment,) = lines_of(server, made["segment_id"])
    assert segment["record"]["name"] == "Mails of [email••••••••]"
    assert segment["record"]["filter"]["value"] == "[email••••••••]"
    assert segment["result"] == {"count": 2}
    # The other one is the first now, and is told so by no process.
    erased = post(client, [person(1, business_email="an@firm.example", phone="+84 912 345 678")], "later")
    wait_processed(client, erased)
    assert lines_of(server, f"{erased}/0")[0]["result"]["_duplicate_of"] == f"{upload_id}/0"
    client.delete(f"{PATH}/{upload_id}").raise_for_status()
    anew = lines_of(server, f"{erased}/0", 2)[1]
    assert anew["result"]["_duplicate_of"] is None
    assert anew["record"]["business_email"] == anew["result"]["_email"] == "[email••••••••]"


def test_what_an_erasure_tells_anew_hides_the_rest(client: httpx2.Client, server: Upstream) -> None:
    content = TEXT.replace("Khoa Tim mạch", "Khoa Nhi") + " Hoặc viết cho binh@clinic.example."
    object_id = upload(client, article(content=content, title="Khoa Nhi"))
    lines_of(server, object_id)
    client.post("/v1/erasures", json={"email": "binh@clinic.example"}).raise_for_status()
    anew = lines_of(server, object_id, 2)[1]
    assert anew["op"] == "put"
    assert not [each for each in (*SECRETS, "binh@") if each in json.dumps(anew, ensure_ascii=False)]
