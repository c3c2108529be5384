"""A box as a process: until a signal stops it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence

from ingestbox import logs
from ingestbox.appliance.appliance import Appliance
from ingestbox.config import Settings
from ingestbox.errors import StartupError
from ingestbox.web.http.server import run

log = logging.getLogger("ingestbox")

FORCED_EXIT = 130
"""Exit code after a second signal, as a shell has it for an interrupted command."""


def serve(settings: Settings, warnings: Sequence[str]) -> int:
    """Runs a box until a signal stops it; returns the exit code (1 if it could not start)."""
    logs.set_up(settings.log.level, settings.log.format)
    for warning in warnings:
        log.warning("%s", warning)
    return run(_serve(settings))


async def _serve(settings: Settings) -> int:
    appliance = Appliance(settings, install_signals=True)
    try:
        await appliance.start()
    except StartupError as error:
        log.critical("%s", error)
        return 1
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
