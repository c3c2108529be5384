"""`ingestbox send --family contacts`, to a real box and to an upstream that does as it is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestbox.model import Role
from tests.cli.support import Answer, Ran, Request, Upstream, ingestbox
from tests.families.contacts.person import Person
from tests.harness import BoxProcess, running

HEADER = "E-Mail;Vorname;Nachname;Firma\n"
GOOD = "jörg@example.com;Jörg;Groß;Müller & Söhne\n"


@pytest.fixture(scope="module")
def imports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    with running(tmp_path_factory.mktemp("box"), config="[limits]\ncontacts_mb = 1\n") as box:
        yield box


@pytest.fixture
def person(imports: BoxProcess) -> Person:
    return Person(imports)


def send(person: Person, *more: str | Path, cwd: Path) -> Ran:
    """As the person, who has a token in the environment."""
    token = person.client.headers["Authorization"].removeprefix("Bearer ")
    box = person.box
    return ingestbox(
        *("send", "--family", "contacts", *more, "--data", box.data), cwd=cwd, env={"INGESTBOX_TOKEN": token}
    )


def file(folder: Path, name: str, *lines: str, encoding: str = "cp1252") -> Path:
    path = folder / name
    path.write_bytes((HEADER + "".join(lines)).encode(encoding))
    return path


def test_a_file_becomes_contacts_of_whom_the_token_speaks_for(person: Person, tmp_path: Path) -> None:
    path = file(tmp_path, "leute.csv", GOOD, GOOD, "ute@example.com;Ute;Böhm;Bärwald\n")
    ran = send(person, path, cwd=tmp_path)
    assert ran.code == 0, ran
    assert ran.out == f"{path}: 3 rows: 2 contacts made or updated, 1 row given up.\n"
    for said in ("leute.csv: 3 rows", 'delimiter ";"', "company from 'Firma'"):
        assert said in ran.err
    found = person.client.get("/contacts").json()["contacts"]
    assert [each["contact_last_name"] for each in found] == ["Böhm", "Groß"]

    again = send(person, path, cwd=tmp_path)
    assert (again.code, again.out) == (1, "")
    assert "Refused file: " in again.err and "'leute.csv' has already been imported" in again.err
    assert "ingestbox jobs --family contacts" in again.err  # what to do about it
    (job,) = person.client.get("/jobs").json()["jobs"]
    assert person.client.post(f"/jobs/{job['job_id']}/undo").status_code == 200
    once_more = send(person, path, cwd=tmp_path)  # undone, it is not the same request
    assert once_more.code == 0, once_more
    assert "2 contacts" in once_more.out


def test_what_needs_a_person_is_shown_with_what_to_do(person: Person, tmp_path: Path) -> None:
    lines = [f"p{number}@example.com;A;B;C{number}\n" for number in range(3)]
    lines += [f"P{number}@example.com;A;B;D\n" for number in range(3)]
    lines += ["x@;A;B;C\n", "y@example.com;;B;C\n", ";A;B;C\n", GOOD]
    path = file(tmp_path, "faulty.csv", *lines)
    ran = send(person, path, cwd=tmp_path)
    assert ran.code == 1
    head, *rest = ran.out.splitlines()
    assert head.startswith(f"{path}: needs review: 6 issues in 9 of 10 rows.")
    (job,) = person.client.get("/jobs").json()["jobs"]
    issues = person.issues(job["job_id"])
    told = [line for line in rest if line.startswith("  issue ")]
    assert len(told) == 5 and "  and 1 more: GET " in ran.out
    rows = [int(re.search(r"  rows? (\d+)", line)[1]) for line in told]  # type: ignore[index]
    assert rows == sorted(rows)
    for line in told:
        number = int(line.split()[1])
        (issue,) = [each for each in issues if each["issue_id"] == number]
        assert issue["issue_type"] in line and issue["issue_description"] in line
        assert line.count("/staging/") == len(issue["affected_rows"])
        assert all(f"/staging/{row['staging_id']}" in line for row in issue["affected_rows"])
    again = f"POST   {person.box.url}/jobs/{job['job_id']}/reprocess"
    for call in ("PUT    ", again, "errors.csv", "DELETE "):
        assert call in ran.out
    assert "update_existing" not in ran.out  # nothing of it exists


def test_who_exists_can_be_updated_or_passed_over(person: Person, tmp_path: Path) -> None:
    assert send(person, file(tmp_path, "first.csv", GOOD), cwd=tmp_path).code == 0
    newer = file(tmp_path, "newer.csv", GOOD.replace("Müller", "Maier"))
    ran = send(person, newer, cwd=tmp_path)
    assert ran.code == 1
    assert "EXISTING_EMAIL" in ran.out and '{"resolution": "update_existing"}' in ran.out
    base = file(tmp_path, "base.csv", GOOD, "neu@example.com;N;E;U\n")
    baseline = send(person, base, "--baseline", "--json", cwd=tmp_path)
    assert baseline.code == 0, baseline
    (sent,) = baseline.json()["files"]
    assert (sent["state"], sent["finished"], sent["discarded"]) == ("completed", 1, 1)
    assert person.client.get("/contacts").json()["total"] == 2


def test_what_is_known_of_a_file_can_be_said(person: Person, tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_bytes("Kontakt|Haus|Vorname|Nachname\nő@example.com|Kő|A|B\n".encode("cp1250"))
    refused = send(person, path, cwd=tmp_path)
    assert refused.code == 1
    assert "missing required headers: email, company" in refused.err
    assert "--mapping email=COLUMN" in refused.err
    options = ("--mapping", "email=Kontakt", "--mapping", "company=Haus")
    ran = send(person, path, *options, "--encoding", "cp1250", "--delimiter", "pipe", cwd=tmp_path)
    assert ran.code == 0, ran
    (contact,) = person.client.get("/contacts").json()["contacts"]
    assert (contact["contact_email"], contact["contact_company"]) == ("ő@example.com", "Kő")


def test_several_files_go_in_one_call_and_one_that_is_refused_stops_none(
    person: Person, tmp_path: Path
) -> None:
    large = tmp_path / "large.csv"
    large.write_bytes(HEADER.encode() + b"p@example.com;A;B;C\n" * 60_000)
    names = [
        file(tmp_path, "empty.csv"),
        large,
        file(tmp_path, "good.csv", GOOD),
        file(tmp_path, "bad.csv", "x;y;z;\n"),
    ]
    ran = send(person, *names, "--json", cwd=tmp_path)
    assert ran.code == 1
    report = ran.json()
    assert report["ok"] is False
    assert [Path(each["file"]).name for each in report["files"]] == ["good.csv", "bad.csv"]
    assert [each["state"] for each in report["files"]] == ["completed", "review"]
    assert report["files"][1]["issues"][0]["affected_rows"][0]["row_number"] == 1
    reasons = {Path(each["place"]).name: each["message"] for each in report["refused_files"]}
    assert "no data rows" in reasons["empty.csv"]
    assert "exceeds maximum allowed size (1MB)" in reasons["large.csv"]
    assert "Split the file" in reasons["large.csv"]


def test_without_waiting_it_says_where_to_look(person: Person, tmp_path: Path) -> None:
    ran = send(person, file(tmp_path, "later.csv", GOOD), "--no-wait", cwd=tmp_path)
    assert ran.code == 0
    assert "taken as job" in ran.out
    (number,) = set(re.findall(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", ran.out))
    job = person.client.get("/jobs").json()["jobs"][0]["job_id"]
    person.settled(job)
    shown = ingestbox("jobs", number, "--data", person.box.data, cwd=tmp_path)
    assert shown.code == 0 and "done; checked once, 0 issues open" in shown.out


def test_a_job_that_needs_a_person_is_not_followed_for_ever(person: Person, tmp_path: Path) -> None:
    assert send(person, file(tmp_path, "wait.csv", "x;A;B;C\n"), cwd=tmp_path).code == 1
    (listed,) = person.client.get("/v1/jobs?family=contacts").json()["jobs"]
    ran = ingestbox("jobs", listed["id"], "--follow", "--data", person.box.data, cwd=tmp_path)
    assert ran.code == 1
    assert "waiting; checked once, 1 issues open" in ran.out
    assert f"POST /v1/jobs/{listed['id']}/reprocess" in ran.out
    assert "Follow it with" not in ran.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("people.ndjson",), "is no file of contacts"),
        (("people.csv", "--again"), "cancel or undo an import"),
        (("people.csv", "--partial"), "not for contacts"),
        (("people.csv", "--mapping", "email"), "FIELD=COLUMN"),
    ],
)
def test_what_has_no_meaning_for_contacts_is_a_wrong_call(
    person: Person, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    for name in ("people.csv", "people.ndjson"):
        (tmp_path / name).write_text("{}")
    ran = send(person, *options, cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_what_is_for_contacts_is_not_for_feedback(person: Person, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,summary\n1,x\n")
    ran = ingestbox("send", "a.csv", "--baseline", "--data", person.box.data, cwd=tmp_path)
    assert ran.code == 2 and "--family contacts" in ran.err


def test_without_a_token_they_belong_to_the_command_line(imports: BoxProcess, tmp_path: Path) -> None:
    path = file(tmp_path, "local.csv", GOOD)
    ran = ingestbox("send", "--family", "contacts", path, "--data", imports.data, cwd=tmp_path)
    assert ran.code == 0, ran
    with imports.client(Role.ADMIN) as admin:
        found = admin.get("/contacts?all=true&email=j%C3%B6rg@example.com").json()["contacts"]
    assert "local:cli" in {each["contacts_user_id"] for each in found}
    waits = file(tmp_path, "local2.csv", "x;A;B;C\n")
    ran = ingestbox("send", "--family", "contacts", waits, "--data", imports.data, cwd=tmp_path)
    assert ran.code == 1 and "token create --user cli --role editor" in ran.out


def test_who_may_not_upload_is_told_what_to_do(imports: BoxProcess, tmp_path: Path) -> None:
    ran = send(Person(imports, Role.ANALYST), file(tmp_path, "a.csv", GOOD), cwd=tmp_path)
    assert ran.code == 1
    assert "answered 403" in ran.err and "role uploader" in ran.err


def test_a_busy_box_is_asked_again_and_an_import_that_is_known_is_not(tmp_path: Path) -> None:
    taken = {
        "job_id": 7, "public_id": "j7", "filename": "a.csv", "total_rows": 1, "encoding": "utf-8",
        "encoding_confidence": 1.0, "delimiter": ";", "mapping": [],
    }  # fmt: skip
    job = {
        "state": "completed", "total": 1, "counts": {"finished": 1, "issue": 0, "discarded": 0},
        "staging": {"open_issues": 0},
    }  # fmt: skip
    posts: list[str] = []

    def respond(request: Request) -> Answer:
        if request.method == "GET":
            return Answer(body=job)
        posts.append(request.headers["idempotency-key"])
        if b"known.csv" in request.body:
            return Answer(409, {"detail": "It is known.", "code": "already_imported"})
        if len(posts) == 1:
            return Answer(cut=True)
        if len(posts) == 2:
            return Answer(409, {"detail": "Busy.", "code": "request_in_progress"}, {"Retry-After": "0"})
        return Answer(201, taken)

    paths = [file(tmp_path, "a.csv", GOOD), file(tmp_path, "known.csv", GOOD)]
    with Upstream(respond).running() as upstream:
        at = ("--url", upstream.url, "--token", "t")
        ran = ingestbox("send", "--family", "contacts", *paths, *at, cwd=tmp_path)
    assert ran.code == 1
    assert "1 contact made or updated" in ran.out
    assert "It is known." in ran.err and "does not answer" in ran.err
    assert len(posts) == 4  # one cut, one told to come again, one taken; one refused for good
    assert len(set(posts[:3])) == 1 and posts[3] != posts[0]
