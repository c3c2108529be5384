"""A batch of audience records at the door (contract: audience)."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox.families.audience.check import NEEDED
from ingestbox.families.audience.shapes import PATH
from tests.families.audience.support import People, person, post, read, refused, send, wait_processed
from tests.harness import BoxProcess, running

MIB = 1_048_576
JSON = {"Content-Type": "application/json"}


def test_the_answer_is_the_documents(anna: httpx2.Client) -> None:
    reply = send(anna, [person(1), person(2)])
    assert reply.status_code == 200
    body = reply.json()
    assert list(body) == ["status", "upload_id", "session_token", "rows_received", "message"]
    assert (body["status"], body["rows_received"]) == ("success", 2)
    assert body["message"] == "Batch upload successful"
    assert re.fullmatch(r"upl_\d{13}_[0-9a-z]{9}", body["upload_id"])
    assert re.fullmatch(r"sess_\d{13}_[0-9a-z]{9}", body["session_token"])


def test_records_are_read_as_they_were_sent(anna: httpx2.Client) -> None:
    records = b'[{"email":"a@b.example","n":1.10,"big":12345678901234567890,"deep":{"x":[null,"\\u00fc"]}}]'
    reply = anna.post(PATH, content=b'{"records":' + records + b',"upload_name":" a name "}', headers=JSON)
    upload_id = reply.json()["upload_id"]
    text = anna.get(f"{PATH}/{upload_id}").content
    assert b'"records":' + records in text
    upload = wait_processed(anna, upload_id)
    assert (upload["upload_name"], upload["fields"]) == (" a name ", ["email", "n", "big", "deep"])


def test_a_record_with_a_business_email_alone_is_enough(anna: httpx2.Client) -> None:
    upload = wait_processed(anna, post(anna, [{"business_email": "test@example.com"}]))
    assert upload["results"][0]["_email"] == "test@example.com"


def test_refusals_are_in_the_familys_shape_and_words(anna: httpx2.Client) -> None:
    malformed = anna.post(PATH, content=b'{"upload_name":', headers=JSON)
    assert malformed.json()["code"] == "malformed_json"
    refused(malformed, 400, malformed.json()["message"])
    refused(send(anna, [person(1)], ""), 400, "Upload name is required")
    refused(send(anna, [person(1)], "x" * 101), 400, "Upload name too long")
    refused(send(anna, []), 400, "At least one record is required")
    body = refused(
        send(anna, [person(0), person(1), person(2), {"first_name": "Nobody"}]),
        400,
        f"Missing required fields for enrichment: record 3. {NEEDED}",
    )
    assert body["errors"] == [{"code": "missing_required", "message": NEEDED, "index": 3}]
    assert NEEDED == (
        "At least one of: business_email, personal_email, email, domain, company_domain is required."
    )
    assert anna.get(PATH).json()["uploads"] == []  # nothing of these was stored


def test_who_is_not_known_and_what_is_not_understood(box: BoxProcess, anna: httpx2.Client) -> None:
    body = {"upload_name": "x", "records": [person(1)]}
    with httpx2.Client(base_url=box.url, trust_env=False, verify=False) as nobody:
        reply = nobody.post(PATH, json=body)
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")
        refused(reply, 401, "Not authenticated")
    for content_type in ("text/plain", "application/xml", "multipart/form-data; boundary=x"):
        reply = anna.post(PATH, content=b"{}", headers={"Content-Type": content_type})
        assert refused(reply, 415, reply.json()["message"])["code"] == "unsupported_media_type"
    reply = anna.post(PATH, content=b"{}", headers={**JSON, "Content-Encoding": "br"})
    assert refused(reply, 415, reply.json()["message"])["code"] == "unsupported_media_type"
    refused(send(anna, [person(1)], params={"mode": "some"}), 400, "mode must be `all` or `partial`.")


def test_five_megabytes_are_the_most_on_the_wire_and_after_it(anna: httpx2.Client) -> None:
    small = b'{"upload_name":"x","records":[{"email":"a@b.example","n":"%s"}]}'
    whole = small % (b"x" * (5 * MIB - len(small) + 2))
    assert len(whole) == 5 * MIB
    assert anna.post(PATH, content=whole, headers=JSON).status_code == 200
    over = small % (b"x" * (5 * MIB - len(small) + 3))
    sentence = "Payload too large. Maximum size is 5MB."
    body = refused(anna.post(PATH, content=over, headers=JSON), 413, sentence)
    assert body["code"] == "payload_too_large"
    packed = gzip.compress(over, 1)
    assert len(packed) < 100_000
    refused(anna.post(PATH, content=packed, headers={**JSON, "Content-Encoding": "gzip"}), 413, sentence)
    packed = gzip.compress(whole, 1)
    reply = anna.post(PATH, content=packed, headers={**JSON, "Content-Encoding": "gzip"})
    assert reply.status_code == 200


def test_partial_takes_the_good_ones_and_lists_the_others(anna: httpx2.Client) -> None:
    records = [person(1), {"n": 1.50}, 5, person(2), {"email": 7}]
    reply = send(anna, records, params={"mode": "partial"})
    body: dict[str, Any] = reply.json()
    assert (body["rows_received"], body["rows_stored"]) == (5, 2)
    assert body["outcomes"] == [
        {"index": 1, "outcome": "rejected", "code": "missing_required", "message": NEEDED},
        {"index": 2, "outcome": "rejected", "code": "wrong_type", "message": "a record must be an object"},
        {"index": 4, "outcome": "rejected", "code": "missing_required", "message": NEEDED},
    ]
    upload = wait_processed(anna, body["upload_id"])
    assert upload["records"] == [person(1), person(2)]
    assert (upload["rows_received"], upload["rows_stored"], upload["rows_processed"]) == (5, 2, 2)
    whole = send(anna, [person(1)], params={"mode": "partial"}).json()
    assert (whole["rows_stored"], whole["outcomes"]) == (1, [])
    none = refused(
        send(anna, [{}, {}], params={"mode": "partial"}),
        400,
        f"Missing required fields for enrichment: record 0. {NEEDED} 2 of 2 records are not valid.",
    )
    assert len(none["errors"]) == 2


def test_the_same_key_and_content_is_the_same_upload(people: People) -> None:
    anna, key = people.anna, {"Idempotency-Key": "once"}
    first = send(anna, [person(1)], headers=key)
    again = send(anna, [person(1)], headers=key)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    packed = gzip.compress(first.request.content)
    coded = {**key, **JSON, "Content-Encoding": "gzip"}
    assert anna.post(PATH, content=packed, headers=coded).json() == first.json()
    other = send(anna, [person(2)], headers=key)
    assert refused(other, 422, other.json()["message"])["code"] == "idempotency_mismatch"
    assert send(anna, [person(1)], params={"mode": "partial"}, headers=key).status_code == 422
    assert send(people.boris, [person(1)], headers=key).json() != first.json()
    assert len(anna.get(PATH).json()["uploads"]) == 1


@pytest.mark.parametrize("most", [3, 60_000])
def test_max_batch_size_really_is_the_most(tmp_path: Path, most: int) -> None:
    """Lowered, and raised over the default together with the size; for files and for lines too."""
    environ = {"MAX_BATCH_SIZE": str(most), "INGESTBOX_LIMITS_AUDIENCE_MB": "6"}
    with running(tmp_path / "box", environ=environ) as box, box.client() as client:
        records = [{"email": f"p{number}@b.example"} for number in range(most + 1)]
        body = {"upload_name": "x", "records": records[:most]}
        taken = client.post(PATH, json=body).raise_for_status().json()
        assert taken["rows_received"] == most
        sentence = f"Batch size too large. Maximum {most} records per request."
        error = refused(client.post(PATH, json={**body, "records": records}), 400, sentence)
        assert [each["code"] for each in error["errors"]] == ["batch_too_large"]
        rows = "email\n" + "".join(f"{record['email']}\n" for record in records)
        lines = "\n".join(json.dumps(record) for record in records)
        for content, kind in ((rows, "text/csv"), (lines, "application/x-ndjson")):
            reply = client.post(
                PATH, params={"upload_name": "x"}, content=content, headers={"Content-Type": kind}
            )
            refused(reply, 400, sentence)
        for path in ("file", "preview"):
            refused(client.post(f"{PATH}/{path}", files={"file": ("x.csv", rows)}), 400, sentence)
        fewer = rows.removesuffix(f"{records[-1]['email']}\n")
        assert client.post(f"{PATH}/file", files={"file": ("x.csv", fewer)}).is_success
        assert len(client.get(PATH).json()["uploads"]) == 2
        assert read(client, taken["upload_id"])["rows_received"] == most
        over = client.post(PATH, content=b" " * (6 * MIB + 1), headers=JSON)
        refused(over, 413, "Payload too large. Maximum size is 6MB.")
        assert not list((box.data / "incoming").iterdir())
