"""A box as a process: until a signal stops it."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import logging
import os
import sys
from urllib.parse import urlsplit

from ingestbox import logs
from ingestbox.appliance.appliance import Appliance
from ingestbox.config import Loaded
from ingestbox.errors import LastingStartupError, StartupError
from ingestbox.identity.links import SET_UP_HOURS
from ingestbox.ops.supervisor import Supervisor
from ingestbox.web.http.server import run

log = logging.getLogger("ingestbox")

LASTING_EXIT = 3
"""Exit code of a start that is not to be tried again by itself (the unit's `RestartPreventExitStatus`)."""

FORCED_EXIT = 130
"""Exit code after a second signal, as a shell has it for an interrupted command."""


SET_UP = """
    Nobody can sign in yet. Open this link to make the first administrator
    (it works once, within {hours} hours):

    {address}
{elsewhere}
"""
CONSOLE = """
    The console: {address}
{elsewhere}
"""
ELSEWHERE = "\n    From another machine: with this machine's name in the place of {host}.\n"
"""What is told on a terminal, where a line of a log is easily overlooked by who has just started a box."""


def serve(loaded: Loaded) -> int:
    """Runs a box until a signal stops it; returns the exit code (1 if it could not start)."""
    logs.set_up(loaded.settings.log.level, loaded.settings.log.format)
    for warning in loaded.warnings:
        log.warning("%s", warning)
    # A supervisor ends a box that stands still with SIGABRT: its log then says where it stood.
    faulthandler.enable()
    with contextlib.closing(Supervisor.take(os.environ)) as supervisor:
        return run(_serve(loaded, supervisor))


async def _serve(loaded: Loaded, supervisor: Supervisor) -> int:
    appliance = Appliance(loaded.settings, loaded=loaded, install_signals=True, supervisor=supervisor)
    try:
        await appliance.start()
    except StartupError as error:
        log.critical("%s", error)
        supervisor.say(str(error))
        return LASTING_EXIT if isinstance(error, LastingStartupError) else 1
    # What is there from now on stays: looking through it again and again stops everything for 50 to 150 ms.
    gc.collect()
    gc.freeze()
    if sys.stderr.isatty():
        sys.stderr.write(_told(appliance, loaded))
    await appliance.wait()
    log.info("Stopping.")
    stopping = asyncio.create_task(appliance.stop())
    forced = asyncio.create_task(appliance.forced())
    await asyncio.wait((stopping, forced), return_when=asyncio.FIRST_COMPLETED)
    if not stopping.done():
        log.warning("Stopped at once, on a second signal; the next start goes on from what is on disk.")
        os._exit(FORCED_EXIT)
    forced.cancel()
    await stopping
    log.info("Stopped.")
    return 0


def _told(appliance: Appliance, loaded: Loaded) -> str:
    """Where to go with a browser, for who sits before the box."""
    server = loaded.settings.server
    everywhere = server.host in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
    host = urlsplit(appliance.url).netloc.rpartition(":")[0]
    elsewhere = ELSEWHERE.format(host=host) if everywhere else ""
    if appliance.set_up_link:
        return SET_UP.format(hours=SET_UP_HOURS, address=appliance.set_up_link, elsewhere=elsewhere)
    return CONSOLE.format(address=f"{appliance.url}{server.prefix}/console", elsewhere=elsewhere)
