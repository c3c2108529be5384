"""`ingestbox status`: what the box holds and does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ingestbox import amounts
from ingestbox.cli.options import data_options, json_option, settings_of
from ingestbox.cli.output import cell, print_json, print_table


@click.command(
    "status",
    epilog="""\b
Examples:
  ingestbox status
  ingestbox status --json | jq .lanes
""",
)
@data_options
@json_option
def command(data: str | None, config: Path | None, as_json: bool) -> None:
    """Show jobs, records, objects, alarms and lanes, whether the box runs or not."""
    from ingestbox.cli.reach import administration, call

    settings = settings_of(data, config)

    async def ask() -> Any:
        async with administration(settings) as client:
            return await call(client, "GET", "/v1/stats?all=true")

    found = asyncio.run(ask())
    if as_json:
        print_json(found)
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    live = found["live"]
    jobs = ", ".join(f"{cell(count)} {state}" for state, count in found["jobs"].items() if count)
    facts = [
        ("box", f"{found['box']}, ingestbox {found['version']}"),
        ("epoch", found["epoch"] + (f", since {found['epoch_since']}" if found["epoch_since"] else "")),
        ("address", live["url"] if live else "not running; start it with: ingestbox serve"),
        ("jobs", jobs or "none"),
        ("records", f"{cell(found['records'])}, of which {cell(found['processed'])} processed"),
        ("open issues", cell(found["open_issues"])),
        ("store", f"{found['store']['bytes'] / 1_048_576:,.1f} MB"),
    ]
    if live:
        facts.append(
            ("children", f"{cell(live['children'])}, restarted {cell(live['child_restarts'])} times")
        )
    facts += [("ALARM", f"{each['name']}: {each['detail']}") for each in found["alarms"]]
    for label, value in facts:
        click.echo(f"{label:<12} {value}")
    if found["objects"]:
        click.echo()
    print_table(
        ("family", "kind", "from", "objects"),
        [
            (each["family"], each["kind"], "other boxes" if each["remote"] else "here", each["count"])
            for each in found["objects"]
        ],
    )
    if found["lanes"]:
        click.echo()
    now = datetime.now(UTC).timestamp() * 1000
    print_table(
        ("lane", "state", "delivered", "pending", "size", "oldest", "parked", "discarded", "reason"),
        [
            (
                *(each[name] for name in ("name", "state", "delivered", "pending")),
                amounts.size(each["pending_bytes"]) if each["pending"] else "",
                "" if each["oldest_ms"] is None else amounts.age((now - each["oldest_ms"]) / 1000),
                *(each[name] for name in ("parked", "discarded", "reason")),
            )
            for each in found["lanes"]
        ],
    )
