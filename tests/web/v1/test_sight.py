"""Who sees what of families that are private: each person their own, and administrators who ask for all."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from ingestbox.model import Role
from ingestbox.store.pages import Page, merged
from tests.harness import BoxProcess, post_tickets, ticket, until, wait_job
from tests.web.v1.imports import PEOPLE, person, row, upload
from tests.web.v1.support import CALLS, Json, everything, get, partial, post, refused, waiting

NAMED = (*CALLS, ("POST", "/v1/jobs/{job}/undo"))
BODIES = {"PATCH": {"company": "Mine"}, "POST": {"action": "discard"}}
READ = tuple(
    path for method, path in NAMED if method == "GET" and "events" not in path and "deliveries" not in path
)


class Scene:
    """What Ann has imported: a job that waits for her, with an issue of two rows, and one that is done."""

    def __init__(self, box: BoxProcess) -> None:
        self.box = box
        with person(box, "ann") as ann:
            self.done = upload(ann, "done", [row("done@example.com")])
            twins = [row("two@example.com"), row("TWO@example.com", "Ben"), row("one@example.com")]
            self.job = upload(ann, "waits", twins)
            (self.issue,) = get(ann, "/v1/issues", job=self.job["id"])["issues"]
            (self.delivery,) = get(ann, "/v1/deliveries")["deliveries"]
        self.names = {
            "job": self.job["id"],
            "record": self.issue["record"],
            "issue": self.issue["id"],
            "delivery": self.delivery["seq"],
        }

    def path(self, template: str, *, everyone: bool = False) -> str:
        path = template.format(**self.names)
        return path if not everyone else f"{path}{'&' if '?' in path else '?'}all=true"


@pytest.fixture(scope="module")
def scene(box: BoxProcess) -> Scene:
    return Scene(box)


@pytest.fixture
def ann(box: BoxProcess) -> Iterator[httpx2.Client]:
    with person(box, "ann") as client:
        yield client


def listed(client: httpx2.Client, **query: str | int) -> dict[str, list[str]]:
    """What every list shows, by its ids."""
    return {
        "jobs": [each["id"] for each in everything(client, "/v1/jobs", "jobs", limit=2, **query)],
        "issues": [each["id"] for each in everything(client, "/v1/issues", "issues", limit=2, **query)],
        "deliveries": [
            each["seq"] for each in everything(client, "/v1/deliveries", "deliveries", limit=2, **query)
        ],
    }


OUTSIDERS = [
    pytest.param("ben", PEOPLE, "default", False, id="a-colleague"),
    pytest.param("root", (Role.ADMIN,), "default", False, id="an-operator"),
    pytest.param("root", (Role.ADMIN,), "*", False, id="an-operator-of-all"),
    pytest.param("ann", PEOPLE, "north", False, id="of-the-same-name-elsewhere"),
    pytest.param("nora", (Role.ADMIN,), "north", False, id="an-administrator-elsewhere"),
    pytest.param("nora", (Role.ADMIN,), "north", True, id="an-administrator-elsewhere-who-asks-for-all"),
]


@pytest.mark.parametrize(("method", "template"), NAMED)
@pytest.mark.parametrize(("subject", "roles", "workspace", "everyone"), OUTSIDERS)
def test_what_somebody_else_made_does_not_exist(
    scene: Scene,
    method: str,
    template: str,
    subject: str,
    roles: tuple[Role, ...],
    workspace: str,
    everyone: bool,
) -> None:
    with person(scene.box, subject, *roles, workspace=workspace) as other:
        reply = other.request(method, scene.path(template, everyone=everyone), json=BODIES.get(method))
    assert reply.status_code == 404, reply.text
    missing = dict(scene.names, job="nothing", record="99", issue="99", delivery="99")
    with person(scene.box, subject, *roles, workspace=workspace) as other:
        nothing = other.request(method, template.format(**missing), json=BODIES.get(method))
    assert nothing.json()["code"] == reply.json()["code"]
    assert (
        reply.json()["detail"]
        .replace(scene.path("{record}"), "99")
        .replace(scene.path("{issue}"), "99")
        .replace(scene.path("{delivery}"), "99")
        == nothing.json()["detail"]
    )


@pytest.mark.parametrize(("subject", "roles", "workspace", "everyone"), OUTSIDERS)
def test_what_somebody_else_made_is_in_no_list(
    scene: Scene, subject: str, roles: tuple[Role, ...], workspace: str, everyone: bool
) -> None:
    asked = {"all": "true"} if everyone else {}
    with person(scene.box, subject, *roles, workspace=workspace) as other:
        for narrow in ({}, {"family": "contacts"}, {"state": "review"}, {"state": "open"}):
            for path, member, wrong in (
                ("/v1/jobs", "jobs", {"open"}),
                ("/v1/issues", "issues", {"review"}),
                ("/v1/deliveries", "deliveries", {"open", "review", "contacts"}),
            ):
                if wrong.isdisjoint(narrow.values()):
                    shown = everything(other, path, member, **narrow, **asked)
                    assert "contacts" not in {each["family"] for each in shown}, (path, narrow)
        for chosen in ({"ids": [scene.issue["id"]]}, {"filter": {"code": "duplicate_email"}}):
            outcome = post(other, "/v1/issues/bulk", {"action": "discard", **chosen}, **asked)
            assert (outcome["matched"], outcome["resolved"]) == (0, 0)
        found = other.post("/v1/issues/bulk", json={"action": "discard", "filter": {"job": scene.job["id"]}})
        refused(found, 404, "job_not_found")


def test_nothing_of_it_was_changed_by_those_who_do_not_see_it(scene: Scene, ann: httpx2.Client) -> None:
    for path in READ:
        assert ann.get(scene.path(path)).status_code == 200, path
    assert get(ann, scene.path("/v1/issues/{issue}")) == scene.issue
    assert get(ann, f"/v1/jobs/{scene.job['id']}") == scene.job
    assert get(ann, f"/v1/jobs/{scene.done['id']}") == scene.done


@pytest.mark.parametrize("workspace", ["default", "*"])
def test_who_operates_the_box_sees_all_on_request(scene: Scene, workspace: str) -> None:
    with person(scene.box, "root", Role.ADMIN, workspace=workspace) as root:
        for method, template in NAMED:
            if method == "GET" and "events" not in template:
                reply = root.get(scene.path(template, everyone=True))
                assert reply.status_code == 200, (template, reply.text)
        found = listed(root, all="true")
        assert {scene.job["id"], scene.done["id"]} <= set(found["jobs"])
        assert scene.issue["id"] in found["issues"]
        assert scene.delivery["seq"] in found["deliveries"]
        only = everything(root, "/v1/jobs", "jobs", all="true", family="contacts", state="review")
        assert scene.job["id"] in [each["id"] for each in only]


def test_an_administrator_sees_all_of_the_own_workspace_on_request(scene: Scene) -> None:
    with person(scene.box, "cara", workspace="west") as cara:
        theirs = upload(cara, "west", [row("west@example.com")])["id"]
    with person(scene.box, "will", Role.ADMIN, workspace="west") as will:
        assert listed(will) == {"jobs": [], "issues": [], "deliveries": []}
        found = listed(will, all="true")
        assert (found["jobs"], found["issues"], len(found["deliveries"])) == ([theirs], [], 1)
        assert get(will, f"/v1/jobs/{theirs}", all="true")["created_by"] == "local:cara"
    with person(scene.box, "wendy", workspace="west") as wendy:
        refused(wendy.get("/v1/jobs?all=true"), 403, "forbidden")
        refused(wendy.get(f"/v1/jobs/{theirs}?all=true"), 403, "forbidden")
        refused(wendy.get("/v1/jobs?all=maybe"), 400, "bad_parameter")


def test_feedback_is_everybodys_in_the_workspace(scene: Scene) -> None:
    with person(scene.box, "ann") as ann:
        job = partial(ann, "shared", good=1)
        issue = waiting(ann, job)[0]
    with person(scene.box, "ben") as ben:
        assert get(ben, f"/v1/jobs/{job}")["created_by"] == "local:ann"
        assert job in listed(ben)["jobs"]
        assert issue["id"] in listed(ben)["issues"]
        assert get(ben, f"/v1/records/{issue['record']}")["job"] == job
        assert post(ben, f"/v1/issues/{issue['id']}/resolve", {"action": "discard"})["state"] == "resolved"
    with person(scene.box, "root", Role.ADMIN) as root:
        assert job in listed(root)["jobs"]


def test_who_may_only_upload_follows_what_they_sent(scene: Scene) -> None:
    with person(scene.box, "ann") as ann:
        theirs = partial(ann, "not-eves", good=1)
        other = waiting(ann, theirs)[0]
    with person(scene.box, "eve", Role.UPLOADER) as eve:
        job = upload(eve, "eve", [row("eve@example.com"), row("eve@example.com", "Eva")])["id"]
        (issue,) = get(eve, "/v1/issues")["issues"]
        names = {"job": job, "record": issue["record"], "issue": issue["id"], "delivery": "1"}
        for path in READ:
            assert eve.get(path.format(**names)).status_code == 200, path
        for method, path in (
            ("PATCH", "/v1/records/{record}"),
            ("POST", "/v1/issues/{issue}/resolve"),
            ("POST", "/v1/jobs/{job}/cancel"),
            ("POST", "/v1/jobs/{job}/undo"),
            ("GET", "/v1/deliveries/{delivery}"),
        ):
            reply = eve.request(method, path.format(**names), json=BODIES.get(method))
            refused(reply, 403, "forbidden")
        assert post(eve, f"/v1/jobs/{job}/reprocess")["id"] == job
        # Of feedback, too, only what they sent themselves.
        refused(eve.get(f"/v1/records/{other['record']}"), 404, "not_found")
        refused(eve.get(f"/v1/issues/{other['id']}"), 404, "not_found")
        refused(eve.get(f"/v1/jobs/{theirs}/records"), 404, "job_not_found")
        refused(eve.post(f"/v1/jobs/{theirs}/reprocess"), 403, "forbidden")
        assert get(eve, f"/v1/jobs/{theirs}")["id"] == theirs


def test_an_analyst_decides_nothing_about_contacts(scene: Scene) -> None:
    with person(scene.box, "ann", Role.ANALYST) as analyst:
        for path in READ:
            assert analyst.get(scene.path(path)).status_code == 200
        for method, path in (
            ("PATCH", "/v1/records/{record}"),
            ("POST", "/v1/issues/{issue}/resolve"),
            ("POST", "/v1/jobs/{job}/cancel"),
            ("POST", "/v1/jobs/{job}/undo"),
        ):
            refused(analyst.request(method, scene.path(path), json=BODIES.get(method)), 403, "forbidden")


def test_lists_are_complete_between_what_others_made(scene: Scene) -> None:
    mine: list[str] = []
    with person(scene.box, "pam", *PEOPLE, Role.INGEST) as pam, person(scene.box, "quinn") as quinn:
        for number in range(4):
            mine.append(upload(pam, f"pam-{number}", [row(f"p{number}@x.org"), row("", "No")])["id"])
            upload(quinn, f"quinn-{number}", [row(f"q{number}@x.org"), row("", "No")])
            mine.append(post_tickets(pam, [ticket(number, id=f"pam-{number}")])["job_id"])
            wait_job(pam, mine[-1])
        before = [each["id"] for each in everything(pam, "/v1/jobs", "jobs", limit=500)]
        for limit in (1, 2, 3, 5):
            found = [each["id"] for each in everything(pam, "/v1/jobs", "jobs", limit=limit)]
            assert found == before
        assert [each for each in before if each in mine] == mine[::-1]
        reviews = everything(pam, "/v1/jobs", "jobs", limit=1, state="review")
        assert [each["id"] for each in reviews] == mine[-2::-2]
        assert everything(pam, "/v1/jobs", "jobs", limit=1, family="contacts", state="completed") == []
        issues: list[Json] = everything(pam, "/v1/issues", "issues", limit=1, family="contacts")
        assert [each["job"] for each in issues] == mine[-2::-2]


def test_the_numbers_of_a_workspace_are_whoever_made_what(scene: Scene) -> None:
    with person(scene.box, "dora", workspace="south") as dora:
        upload(dora, "south", [row("s@x.org"), row("", "No")])
    with person(scene.box, "sue", Role.ADMIN, workspace="south") as sue:
        numbers = get(sue, "/v1/stats")
    assert (numbers["jobs"]["review"], numbers["records"], numbers["open_issues"]) == (1, 2, 1)


def test_a_stream_tells_its_owner_alone(scene: Scene, ann: httpx2.Client) -> None:
    with ann.stream("GET", f"/v1/jobs/{scene.done['id']}/events") as stream:
        events = "".join(stream.iter_text())
    assert "event: end" in events
    assert '"staging":{"phase":"done"' in until(lambda: events, "there are some")


def test_pages_of_several_lists_become_one() -> None:
    def page(*keys: int, last: int | None = None) -> Page:
        return Page([(key, "row") for key in keys], last)

    def keys(found: Page) -> tuple[list[int], int | None]:
        return [row[0] for row in found.rows], found.last

    assert keys(merged([page(9, 5), page(7, 3)], 9)) == ([9, 7, 5, 3], None)
    assert keys(merged([page(9, 5), page(7, 3)], 3)) == ([9, 7, 5], 5)
    assert keys(merged([page(9, 5), page(7, 3)], 4)) == ([9, 7, 5, 3], None)
    # One was read down to 6 and has more: what the other has below that comes later.
    assert keys(merged([page(9, 6, last=6), page(7, 3)], 4)) == ([9, 7, 6], 6)
    assert keys(merged([page(9, 6, last=6), page(7, 3, last=3)], 9)) == ([9, 7, 6], 6)
    assert keys(merged([page(last=8), page(9, 3)], 4)) == ([9], 8)
    assert keys(merged([page(last=8), page(7, 3)], 4)) == ([], 8)
    assert keys(merged([], 4)) == ([], None)


def test_the_calls_of_one_family_do_not_find_jobs_of_another(scene: Scene) -> None:
    with person(scene.box, "ann", *PEOPLE, Role.INGEST) as ann:
        theirs = post_tickets(ann, [ticket(1, id="mixed")])["job_id"]
        wait_job(ann, theirs)
        number = get(ann, "/jobs")["jobs"][0]["job_id"]
        assert ann.get(f"/api/job/{scene.job['id']}").status_code == 404
        feedback = ann.get("/api/jobs").raise_for_status().text
        assert theirs in feedback
        assert scene.job["id"] not in feedback
        mine = {each["job_id"] for each in get(ann, "/jobs")["jobs"]}
        for other in range(1, number + 10):
            assert ann.get(f"/jobs/{other}").status_code == (200 if other in mine else 404)
