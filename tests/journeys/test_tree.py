"""Two edges, a region and the top, as real boxes: what people do at an edge is so at the top."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from ingestbox.families.audience.segments.shapes import SEGMENTS
from ingestbox.families.audience.shapes import PATH
from ingestbox.model import Role
from tests.families.audience.support import wait_processed
from tests.families.contacts.person import Person, line
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job

Json = dict[str, Any]

SECRET = "a-secret-between-the-region-and-the-top"
ANNA = "anna@example.com"


def lane_to(upstream: BoxProcess, workspace: str = "default", more: str = "", name: str = "up") -> str:
    token = upstream.token(Role.FORWARDER, workspace=workspace)
    url = f"{upstream.url}/v1/sync/batches"
    return f'[[lanes]]\nname = "{name}"\nurl = "{url}"\ntoken = "{token}"\n{more}'


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, BoxProcess]]:
    """The region signs what it sends to the top. Its lane `narrow` has a key for another workspace there, and
    takes no audience records; the second edge sends none."""
    folder: Path = tmp_path_factory.mktemp("tree")
    with ExitStack() as stack:

        def start(name: str, config: str) -> BoxProcess:
            return stack.enter_context(running(folder / name, config=f"[work]\nchildren = 1\n{config}"))

        top = start("top", f'[sync]\nsigning_secrets = ["{SECRET}"]\n')
        signed = f'signing_secret = "{SECRET}"\n'
        others = 'families = ["feedback", "contacts"]\n'
        region = start("region", lane_to(top, "*", signed) + lane_to(top, "acme", signed + others, "narrow"))
        one = start("one", lane_to(region))
        two = start("two", lane_to(region, more='kinds = ["ticket", "contact"]\n'))
        yield {"one": one, "two": two, "region": region, "top": top}


def own_id(box: BoxProcess) -> str:
    with box.client() as client:
        found: str = client.get("/v1/sync/boxes").json()["own"]["box"]
        return found


def test_tickets_of_two_edges_stand_at_the_top_side_by_side(tree: dict[str, BoxProcess]) -> None:
    first, second = own_id(tree["one"]), own_id(tree["two"])
    with tree["one"].client() as one, tree["two"].client() as two, tree["top"].client() as top:
        wait_job(one, post_tickets(one, [ticket(1), ticket(2)])["job_id"])
        wait_job(two, post_tickets(two, [ticket(1, summary="of the other edge")])["job_id"])
        wait_job(one, post_tickets(one, [ticket(2, summary=f"write to {ANNA}")])["job_id"])

        def there() -> dict[tuple[str, str], str] | None:
            rows = top.get("/api/tickets", params={"limit": 50}).json()["results"]
            found = {(row["box"], row["ticket_id"]): row["summary"] for row in rows}
            return found if len(found) == 3 and ANNA in found.get((first, "T-2"), "") else None

        stands = until(there, "all of it is at the top")
        assert stands[second, "T-1"] == "of the other edge"
        assert stands[first, "T-1"] == ticket(1)["summary"]
        (sender,) = top.get("/v1/sync/boxes").json()["boxes"]
        assert (sender["box"], sender["last_seq"], sender["gaps"]) == (own_id(tree["region"]), 4, [])
        heard = top.get("/v1/sync/boxes").json()["heard_of"]
        assert {(each["box"], each["through"]) for each in heard} == {
            (first, sender["box"]),
            (second, sender["box"]),
        }

        # Somebody is erased at the edge: what that changes there, changes on the way and at the top.
        erasure = one.post("/v1/erasures", json={"email": ANNA}).raise_for_status().json()["erasure_id"]
        until(lambda: one.get(f"/v1/erasures/{erasure}").json()["state"] == "done", "it is erased")

        def erased() -> bool:
            row = top.get("/api/tickets/T-2", params={"box": first}).json()
            return ANNA not in str(row)

        until(erased, "and erased at the top")


def test_contacts_are_their_owners_at_the_edge_alone_and_can_be_taken_back(
    tree: dict[str, BoxProcess],
) -> None:
    person = Person(tree["one"])
    job_id, job = person.imported(*(line(number) for number in range(5)))
    assert job["job_status"] == "COMPLETED"
    with tree["top"].client() as top:

        def there() -> list[Json]:
            found: list[Json] = top.get("/contacts", params={"all": "true"}).json()["contacts"]
            return found

        until(lambda: len(there()) == 5, "they are at the top")
        assert {each["box"] for each in there()} == {own_id(tree["one"])}
        owner = there()[0]["contacts_user_id"]
        # Who has the same name at the top owns nothing there.
        with tree["top"].client(Role.UPLOADER) as same:
            assert same.get("/contacts").json()["total"] == 0
            assert same.get("/contacts", params={"all": "true"}).status_code == 403
        assert owner
        person.client.post(f"/jobs/{job_id}/undo").raise_for_status()
        until(lambda: there() == [], "what was taken back is gone at the top")


def test_what_a_region_passes_on_is_among_its_deliveries(tree: dict[str, BoxProcess]) -> None:
    first = own_id(tree["one"])
    with tree["region"].client() as region, tree["one"].client() as one:
        wait_job(one, post_tickets(one, [ticket(9)])["job_id"])

        def found() -> list[Json] | None:
            rows: list[Json] = region.get("/v1/deliveries").json()["deliveries"]
            return rows if any(row["object_id"] == "T-9" for row in rows) else None

        rows = until(found, "it is passed on")
        until(lambda: region.get("/v1/lanes/up").json()["pending"] == 0, "and delivered")
        for row in rows:
            whole = region.get(f"/v1/deliveries/{row['seq']}").raise_for_status().json()
            assert whole["line"]["box"] == own_id(tree["region"])
        newest = region.get(f"/v1/deliveries/{rows[0]['seq']}").json()
        assert newest["line"]["origin"] == first
        for path in (
            "/v1/lanes/up/parked",
            "/v1/deliveries?lane=up&state=delivered",
            "/v1/issues",
            "/v1/series",
        ):
            assert region.get(path).status_code == 200, path
        for box in tree.values():
            with box.client() as client:
                report = client.get("/v1/doctor").json()
                assert report["ok"], report
                assert client.get("/metrics").status_code == 200
        with tree["top"].client() as top:
            text = top.get("/metrics").text
            assert f'ingestbox_sync_gaps{{box="{own_id(tree["region"])}"}} 0.0' in text


def test_what_is_refused_of_an_edges_lines_is_parked_without_an_issue(tree: dict[str, BoxProcess]) -> None:
    """The record behind it is elsewhere."""
    with tree["region"].client() as region, tree["two"].client() as two:
        wait_job(two, post_tickets(two, [ticket(77)])["job_id"])

        def parked() -> list[Json]:
            lines: list[Json] = region.get("/v1/lanes/narrow/parked").raise_for_status().json()["parked"]
            return [each for each in lines if each["object_id"] == "T-77"]

        until(parked, "it is refused")
        (line,) = parked()
        assert (line["code"], line["state"]) == ("workspace_forbidden", "parked")
        assert (line["record"], line["job"], line["issue"]) == (None, None, None)
        assert region.get("/v1/issues", params={"state": "open"}).json()["issues"] == []
        path = f"/v1/lanes/narrow/parked/{line['seq']}"
        sent = region.get(f"/v1/deliveries/{line['seq']}").json()["line"]
        assert sent["origin"] == own_id(tree["two"])
        assert region.post(f"{path}/retry").status_code == 200
        until(lambda: parked()[0]["state"] == "parked", "it is refused again")
        assert region.post(f"{path}/discard", json={"reason": "Not for the top"}).status_code == 200
        assert region.get(path).json()["state"] == "discarded"


def uploaded(client: httpx2.Client, name: str, *records: bytes) -> str:
    """The id of an upload of these records, once there are results of them."""
    body = b'{"upload_name":%s,"records":[%s]}' % (msgspec.json.encode(name), b",".join(records))
    reply = client.post(PATH, content=body, headers={"Content-Type": "application/json"}).raise_for_status()
    upload_id: str = reply.json()["upload_id"]
    wait_processed(client, upload_id)
    return upload_id


def audience(client: httpx2.Client) -> dict[str, Json]:
    """The uploads of other boxes, by id."""
    lines = client.get(PATH, params={"all": "true"}).raise_for_status().json()["uploads"]
    return {each["upload_id"]: each for each in lines if "box" in each}


def whole(client: httpx2.Client, upload_id: str, **params: str) -> dict[str, bytes]:
    """An upload, each member of it as it is sent."""
    reply = client.get(f"{PATH}/{upload_id}", params=params).raise_for_status()
    members = msgspec.json.decode(reply.content, type=dict[str, msgspec.Raw])
    return {name: bytes(value) for name, value in members.items()}


def test_audience_records_of_an_edge_stand_at_the_top_as_they_stand_at_the_edge(
    tree: dict[str, BoxProcess],
) -> None:
    first = own_id(tree["one"])
    there = {"all": "true", "box": first}
    with ExitStack() as stack:
        one, two, region, top = (stack.enter_context(tree[name].client()) for name in tree)
        uploaded(two, "Of the other edge", b'{"email":"sam@example.com"}')
        spring = uploaded(
            one,
            "Spring fair",
            b'{"business_email":" Ben@Example.com","n":1.0e3,"caf\\u00e9":"\xc3\xa9"}',
            b'{"email":"ben@example.com"}',
            b'{"email":"%s"}' % ANNA.encode(),
        )
        autumn = uploaded(one, "Autumn", b'{"email":"ben@example.com"}', b'{"domain":"example.com"}')

        def sums(client: httpx2.Client) -> dict[str, int]:
            return {name: each["rows_received"] for name, each in audience(client).items()}

        until(lambda: sums(top) == {spring: 3, autumn: 2}, "both are at the top, whole")
        assert sums(region) == sums(top)
        for upload_id in (spring, autumn):
            own = whole(one, upload_id)
            for client in (region, top):
                assert whole(client, upload_id, **there) == own

        def first_of() -> str | None:
            results: list[Json] = msgspec.json.decode(whole(top, autumn, **there)["results"])
            named: str | None = results[0]["_duplicate_of"]
            return named

        assert first_of() == f"{spring}/0"
        assert {each["box"] for each in audience(top).values()} == {first}

        def segments(client: httpx2.Client) -> dict[str, tuple[str, int]]:
            found = client.get(SEGMENTS, params={"all": "true"}).raise_for_status().json()["segments"]
            return {each["segment_id"]: (each["name"], each["count"]) for each in found}

        of_ben = {"all": [{"field": "_email", "op": "=", "value": "ben@example.com"}]}
        kept = []
        for upload_id, frozen in ((spring, True), (autumn, False)):
            body = {"name": "Ben", "filter": of_ben, "frozen": frozen, "forward": True}
            made = one.post(f"{PATH}/{upload_id}/segments", json=body).raise_for_status().json()["segment"]
            kept.append(made["segment_id"])
        until(lambda: segments(top) == {kept[0]: ("Ben", 2), kept[1]: ("Ben", 1)}, "so are the segments")
        assert segments(region) == segments(one) == segments(top)
        one.patch(f"{SEGMENTS}/{kept[1]}", json={"name": "Benjamin"}).raise_for_status()
        until(lambda: segments(top)[kept[1]] == ("Benjamin", 1), "it is renamed there too")

        # All of it once more changes nothing.
        again = region.post("/v1/lanes/up/replay", json={"from_seq": 1}).raise_for_status().json()
        assert again["lines"] >= 8
        until(lambda: region.get("/v1/lanes/up").json()["pending"] == 0, "it is sent again")
        assert sums(top) == {spring: 3, autumn: 2}
        assert whole(top, spring, **there) == whole(one, spring)
        assert segments(top) == segments(one) == {kept[0]: ("Ben", 2), kept[1]: ("Benjamin", 1)}

        # Somebody is erased at the edge, and of the same the first goes: its duplicate is the first then.
        erasure = one.post("/v1/erasures", json={"email": ANNA}).raise_for_status().json()["erasure_id"]
        until(lambda: one.get(f"/v1/erasures/{erasure}").json()["state"] == "done", "it is erased")
        until(lambda: ANNA not in str(whole(top, spring, **there)), "and erased at the top")
        one.delete(f"{PATH}/{spring}").raise_for_status()
        until(lambda: sums(top) == {autumn: 2}, "what is deleted at the edge is gone at the top")
        assert top.get(f"{PATH}/{spring}", params=there).status_code == 404
        until(lambda: set(segments(top)) == {kept[1]}, "its segment goes with it")
        one.patch(f"{SEGMENTS}/{kept[1]}", json={"forward": False}).raise_for_status()
        until(lambda: segments(top) == {}, "and one that is not forwarded any more")
        until(lambda: first_of() is None, "its duplicate is the first now, at the top too")
        assert whole(top, autumn, **there) == whole(one, autumn)
        assert sums(top) == {autumn: 2}

        # Here it is read alone.
        refusal = top.delete(f"{PATH}/{autumn}", params=there)
        assert (refusal.status_code, sums(top)) == (403, {autumn: 2})
        assert refusal.json()["message"] == f"This upload is of the box {first}: delete it there."
        # What a lane does not take is none of its lines.
        kinds = region.get("/v1/lanes/narrow/parked", params={"limit": 100}).json()["parked"]
        assert {each["object_id"].split("/")[0] for each in kinds}.isdisjoint({spring, autumn})
        assert two.get("/v1/lanes/up").json()["pending"] == 0
        for client in (one, two, region, top):
            report = client.get("/v1/doctor").json()
            assert report["ok"], report
