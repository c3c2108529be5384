"""Who sees which upload: its creator, and administrators who ask; everybody else is told so."""

from __future__ import annotations

import httpx2
import pytest

from ingestbox.families.audience.shapes import PATH
from ingestbox.model import Role
from tests.families.audience.support import People, person, post, read, refused
from tests.harness import BoxProcess

CALLS = [("GET", ""), ("GET", ".csv"), ("GET", ".ndjson"), ("DELETE", "")]


@pytest.mark.parametrize(("method", "ending"), CALLS)
def test_anothers_upload_is_refused_and_a_missing_one_missing(
    people: People, method: str, ending: str
) -> None:
    upload_id = post(people.anna, [person(1)])
    for other in (people.boris, people.stranger, people.admin):
        refused(other.request(method, f"{PATH}/{upload_id}{ending}"), 403, "Access denied")
    for unknown in ("upl_1_x", "upl_1792000000000_aaaaaaaaa", "%2F", "a%00b", "\u00e9", "x" * 3_000):
        reply = people.anna.request(method, f"{PATH}/{unknown}{ending}")
        refused(reply, 404, "Batch upload not found")
    reply = people.boris.request(method, f"{PATH}/{upload_id}{ending}", params={"all": "true"})
    refused(reply, 403, "all=true needs the role admin.")
    reply = people.anna.request(method, f"{PATH}/{upload_id}{ending}", params={"all": "1"})
    refused(reply, 400, "all must be true or false.")
    reply = httpx2.request(method, str(people.anna.base_url.join(f"{PATH}/{upload_id}{ending}")))
    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert read(people.anna, upload_id)["rows_received"] == 1


@pytest.mark.parametrize(("method", "ending"), CALLS)
def test_an_administrator_who_asks_has_the_workspaces_and_an_operator_all(
    box: BoxProcess, people: People, method: str, ending: str
) -> None:
    with box.client() as operator, box.client(Role.ADMIN, workspace="elsewhere") as foreign:
        for given in (people.admin, operator):
            path = f"{PATH}/{post(people.anna, [person(1)])}{ending}"
            refused(foreign.request(method, path, params={"all": "true"}), 403, "Access denied")
            reply = given.request(method, path, params={"all": "true"})
            assert reply.status_code == 200, reply.text


def test_a_head_is_refused_alike(people: People) -> None:
    upload_id = post(people.anna, [person(1)])
    statuses = [client.head(f"{PATH}/{upload_id}").status_code for client in (people.anna, people.boris)]
    assert statuses == [200, 403]
    assert people.anna.head(f"{PATH}/upl_1_x").status_code == 404
