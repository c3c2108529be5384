"""A box as a process: until a signal stops it."""

from __future__ import annotations

import asyncio
import logging
import os
import sys

from ingestbox import logs
from ingestbox.appliance.appliance import Appliance
from ingestbox.config import Loaded
from ingestbox.errors import StartupError
from ingestbox.web.http.server import run

log = logging.getLogger("ingestbox")

FORCED_EXIT = 130
"""Exit code after a second signal, as a shell has it for an interrupted command."""


SET_UP = """
    Open this to set the box up (it works once):

    {}

"""


def serve(loaded: Loaded) -> int:
    """Runs a box until a signal stops it; returns the exit code (1 if it could not start)."""
    logs.set_up(loaded.settings.log.level, loaded.settings.log.format)
    for warning in loaded.warnings:
        log.warning("%s", warning)
    return run(_serve(loaded))


async def _serve(loaded: Loaded) -> int:
    appliance = Appliance(loaded.settings, loaded=loaded, install_signals=True)
    try:
        await appliance.start()
    except StartupError as error:
        log.critical("%s", error)
        return 1
    if appliance.set_up_link and sys.stderr.isatty():
        # A line of a log is easily overlooked by who has just started a box and sits before it.
        sys.stderr.write(SET_UP.format(appliance.set_up_link))
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
