"""`ingestbox jobs`: what was sent to the box, and how far it is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ingestbox.cli.options import data_options, json_option, settings_of
from ingestbox.cli.output import cell, print_json, print_table

if TYPE_CHECKING:
    import httpx2

    from ingestbox.config import Settings

STATES = ("queued", "running", "review", "completed", "failed", "cancelled")
ENDED = frozenset({"completed", "failed", "cancelled"})
FIRST_ISSUES = 5


@click.command(
    "jobs",
    epilog="""\b
Examples:
  ingestbox jobs
  ingestbox jobs --state failed --limit 5
  ingestbox jobs 0191d9a0-7c1e-7aaa-8a52-6f0f6f2f5a11
  ingestbox jobs 0191d9a0-7c1e-7aaa-8a52-6f0f6f2f5a11 --follow
""",
)
@data_options
@click.argument("job_id", metavar="[ID]", required=False)
@click.option(
    "--follow",
    is_flag=True,
    help="Show the job's progress until it ends, or needs a person. Needs a running box.",
)
@click.option("--state", type=click.Choice(STATES), help="List jobs in this state alone.")
@click.option("--family", help="List jobs of this family alone, for example feedback.")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="List so many.")
@json_option
def command(
    data: str | None,
    config: Path | None,
    job_id: str | None,
    follow: bool,
    state: str | None,
    family: str | None,
    limit: int,
    as_json: bool,
) -> int:
    """List the jobs of every workspace, newest first, or show one: its counts and first issues.

    With --follow the exit code is 1 when the job failed, was cancelled, or waits for a person; with --json
    each line is then one state of the job.
    """
    if job_id is None and follow:
        raise click.UsageError("--follow needs the ID of a job; see: ingestbox jobs")
    if job_id is not None and (state or family):
        raise click.UsageError("--state and --family choose among jobs; leave them out with an ID.")
    settings = settings_of(data, config)
    if job_id is None:
        asyncio.run(_list(settings, {"state": state, "family": family}, limit, as_json))
        return 0
    if follow:
        return asyncio.run(_follow(settings, job_id, as_json))
    asyncio.run(_show_one(settings, job_id, as_json))
    return 0


async def _list(settings: Settings, wanted: dict[str, str | None], limit: int, as_json: bool) -> None:
    from urllib.parse import urlencode

    from ingestbox.cli.reach import administration, call

    query = {"all": "true", **{name: value for name, value in wanted.items() if value is not None}}
    found: list[dict[str, Any]] = []
    async with administration(settings) as client:
        while len(found) < limit:
            page = await call(
                client, "GET", "/v1/jobs?" + urlencode({**query, "limit": str(limit - len(found))})
            )
            found += page["jobs"]
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
    if as_json:
        print_json({"jobs": found})
        return
    if not found:
        click.echo("There are no such jobs." if any(wanted.values()) else "There are no jobs yet.", err=True)
    several = len({job["workspace"] for job in found}) > 1
    heads = ("id", "family", "name", "state", "records", "processed", "issues", "submitted")
    rows = [
        (
            job["id"],
            job["family"],
            job["name"],
            job["state"],
            job["total"],
            job["processed"],
            job["issues"],
            job["submitted_at"],
        )
        for job in found
    ]
    if several:
        print_table(
            (*heads, "workspace"),
            [(*row, job["workspace"]) for row, job in zip(rows, found, strict=True)],
        )
    else:
        print_table(heads, rows)


async def _show_one(settings: Settings, job_id: str, as_json: bool) -> None:
    from ingestbox.cli.reach import administration

    async with administration(settings) as client:
        job = await _job(client, job_id)
        if as_json:
            print_json(job)
        else:
            await _show(client, job)


async def _job(client: httpx2.AsyncClient, job_id: str) -> dict[str, Any]:
    """The job. Raises ClickException with the command that lists the ids."""
    from ingestbox.cli.reach import RefusedError, call

    try:
        found: dict[str, Any] = await call(client, "GET", _path(job_id) + "?all=true")
    except RefusedError as error:
        if error.status == 404:
            raise click.ClickException(
                f"There is no job {job_id}. See the ids with: ingestbox jobs"
            ) from None
        raise
    return found


def _path(job_id: str) -> str:
    from urllib.parse import quote

    return f"/v1/jobs/{quote(job_id, safe='')}"


async def _show(client: httpx2.AsyncClient, job: dict[str, Any]) -> None:
    from ingestbox.cli.reach import call

    counts = ", ".join(f"{cell(count)} {what}" for what, count in job["counts"].items() if count)
    tallies = ", ".join(f"{cell(count)} {what}" for what, count in job["tallies"].items())
    for label, value in (
        ("job", job["id"]),
        ("family", job["family"]),
        ("name", job["name"]),
        ("workspace", job["workspace"]),
        ("sent by", job["created_by"]),
        ("state", job["state"]),
        ("staging", _staging(job)),
        ("records", f"{cell(job['total'])}: {counts}" if counts else cell(job["total"])),
        ("tallies", tallies),
        ("error", job["error"]),
        ("submitted", job["submitted_at"]),
        ("started", job["started_at"]),
        ("completed", job["completed_at"]),
    ):
        if value:
            click.echo(f"{label:<12} {cell(value)}")
    for warning in job["warnings"][:FIRST_ISSUES]:
        click.echo(f"{'warning':<12} {cell(warning['message'])}")
    if job["issues"]:
        path = f"/v1/jobs/{job['id']}/records?state=issue&all=true&limit={FIRST_ISSUES}"
        waiting = (await call(client, "GET", path))["records"]
        click.echo()
        print_table(
            ("record", "index", "key", "code", "what is wrong"),
            [
                (each["id"], each["index"], each["key"], issue["code"], issue["message"])
                for each in waiting
                for issue in each["issues"]
                if issue["resolved_at"] is None
            ],
        )
        more = job["issues"] - len(waiting)
        if more > 0:
            click.echo(f"and {cell(more)} more")
        for line in _advice(job):
            click.echo(line)
    if job["state"] not in ENDED and not _waits(job):
        click.echo(f"\nFollow it with: ingestbox jobs {job['id']} --follow")


def _waits(job: dict[str, Any]) -> bool:
    """Whether nothing goes on before a person does something: of jobs whose rows wait for each other."""
    return "staging" in job and job["state"] == "review"


def _staging(job: dict[str, Any]) -> str:
    """How far such a job is, in words."""
    staged = job.get("staging")
    if staged is None:
        return ""
    undone = ""
    if staged["undone_at"]:
        undone = f", {cell(staged['removed'])} removed, {cell(staged['kept'])} kept"
    checks = "once" if staged["checks"] == 1 else f"{cell(staged['checks'])} times"
    return f"{staged['phase']}{undone}; checked {checks}, {cell(staged['open_issues'])} issues open"


def _advice(job: dict[str, Any]) -> tuple[str, ...]:
    """How a person goes on with what waits."""
    if "staging" in job:
        return (
            "\nCorrect a record with PATCH /v1/records/RECORD; give one up with POST",
            "/v1/issues/ISSUE/resolve; many at once with POST /v1/issues/bulk.",
            f"The issues: GET /v1/issues?job={job['id']}&state=open",
            f"Then have all checked again, with POST /v1/jobs/{job['id']}/reprocess.",
        )
    return (
        "\nCorrect a record with PATCH /v1/records/RECORD; give one up, or retry it, with POST",
        f"/v1/issues/ISSUE/resolve. The issues: GET /v1/issues?job={job['id']}&state=open",
    )


async def _follow(settings: Settings, job_id: str, as_json: bool) -> int:
    from ingestbox.cli.following import follow
    from ingestbox.cli.reach import administration, running_box

    if await running_box(settings) is None:
        async with administration(settings) as client:
            job = await _job(client, job_id)
            if job["state"] not in ENDED:
                raise click.ClickException(
                    f"The job is {job['state']}, and no box runs on {settings.data}: nothing works on it. "
                    "Start it with: ingestbox serve"
                )
            if as_json:
                click.echo(_line(job))
            else:
                await _show(client, job)
            return _code(job)
    async with administration(settings) as client:
        job = await _job(client, job_id)
        job = await follow(
            client, settings, _path(job_id) + "/events?all=true", job, _line if as_json else None, _waits
        )
        if not as_json:
            await _show(client, job)
    return _code(job)


def _line(job: dict[str, Any]) -> str:
    import msgspec

    return msgspec.json.encode(job).decode()


def _code(job: dict[str, Any]) -> int:
    return 0 if job["state"] == "completed" else 1
