"""`ingestbox probe`: whether the box that runs on the folder answers, for whoever watches it."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from ingestbox.cli.options import data_options, json_option, settings_of
from ingestbox.cli.output import print_json

if TYPE_CHECKING:
    from ingestbox.store.lock import Holder


@click.command(
    "probe",
    short_help="Say whether the running box answers, for health checks.",
    epilog="""\b
Examples:
  ingestbox probe
  ingestbox probe --ready
  ingestbox probe --ready --json | jq .reasons
""",
)
@data_options
@click.option("--ready", is_flag=True, help="Ask whether to send work to it, too: the reasons if not.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 600),
    default=5.0,
    show_default=True,
    help="Seconds that the box may take to answer.",
)
@json_option
def command(data: str | None, config: Path | None, ready: bool, timeout: float, as_json: bool) -> int:
    """Ask the box that runs on the data folder whether it is alive, and exit with 0 if it is, else with 1.

    Made for health checks of containers and the like, which restart what fails them: a full disk, an upstream
    that is away or a damaged store fail `--ready` alone, for a restart cures none of them. It needs no token.
    """
    settings = settings_of(data, config)
    ok, detail, reasons = _look(Path(settings.data), ready, timeout)
    if as_json:
        print_json({"ok": ok, "detail": detail, "reasons": reasons})
    else:
        click.echo(detail)
        for reason in reasons:
            click.echo(f"  {reason['name']}: {reason['detail']}")
    return 0 if ok else 1


def _look(folder: Path, ready: bool, timeout: float) -> tuple[bool, str, list[dict[str, str]]]:
    """Whether all is well, that as a sentence, and the box's own reasons if it is not."""
    from ingestbox.store.lock import is_held, read_holder

    holder = read_holder(folder) if is_held(folder) else None
    if holder is None:
        return False, f"No box runs on {folder}.", []
    if not holder.url:
        return False, f"The box on {folder} is starting.", []
    try:
        status, body = _get(holder, folder, "/readyz" if ready else "/healthz", timeout)
    except TimeoutError:
        return False, f"The box at {holder.url} did not answer within {timeout:g} s.", []
    except (OSError, http.client.HTTPException) as error:
        return False, f"The box at {holder.url} does not answer: {error or type(error).__name__}.", []
    if not ready:
        return True, f"The box at {holder.url} is alive.", []  # also when it has no room for this connection
    if status == http.client.OK:
        return True, f"The box at {holder.url} is ready.", []
    return False, f"The box at {holder.url} is not ready.", _reasons(body)


def _get(holder: Holder, folder: Path, path: str, timeout: float) -> tuple[int, bytes]:
    """Status and body, without httpx2, which takes long to load. Raises OSError and HTTPException."""
    address = urlsplit(holder.url)
    assert address.hostname is not None
    connection: http.client.HTTPConnection
    if address.scheme == "https":
        from ingestbox.web.http.tls import command_context

        context = command_context(holder.certificate, folder)
        connection = http.client.HTTPSConnection(
            address.hostname, address.port, timeout=timeout, context=context
        )
    else:
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _reasons(body: bytes) -> list[dict[str, str]]:
    try:
        found: Any = json.loads(body)
        return [{"name": each["name"], "detail": each["detail"]} for each in found["reasons"]]
    except (ValueError, KeyError, TypeError):  # the door is full, and says that instead
        return []
