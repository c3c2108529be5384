"""The door for a command that runs while no box does: opened inside its process, without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ingestbox import families
from ingestbox.cli.laning.still import Still
from ingestbox.config import Settings
from ingestbox.identity.derived import Derived
from ingestbox.identity.guard import Guard
from ingestbox.identity.keyring import StoredKeys
from ingestbox.identity.passwords import Hasher
from ingestbox.identity.secretfile import load_secrets
from ingestbox.ops import doctor, status
from ingestbox.ops.offline import open_store
from ingestbox.store import Store
from ingestbox.web import v1
from ingestbox.web.app import build_app
from ingestbox.web.binding import BoundRoute
from ingestbox.web.box import StoreBox
from ingestbox.web.v1 import lanemoves, lanes, parked
from ingestbox.web.v1.progress import Progress


@asynccontextmanager
async def open_door(settings: Settings) -> AsyncIterator[Any]:
    """The administration's routes over the store, as an ASGI application. Raises StartupError as
    `open_store`."""
    async with open_store(settings) as store:
        hasher = Hasher()
        try:
            yield _app(store, settings, hasher)
        finally:
            hasher.close()


def _app(store: Store, settings: Settings, hasher: Hasher) -> Any:
    folder = store.path.parent
    guard = Guard(
        secret=load_secrets(folder),
        static=(),
        keys=StoredKeys(store),
        clock=store.clock,
        leeway_seconds=settings.auth.leeway_seconds,
    )
    known = families.load()
    still = Still(settings.lanes, store.clock, store.identity.box)
    parts = v1.Parts(
        store=store,
        families=known,
        guard=guard,
        derived=Derived(lambda: load_secrets(folder)),
        hasher=hasher,
        ring=lambda _: None,
        snapshot=lambda workspace: status.snapshot(store, workspace),
        examine=lambda quick: doctor.examine(store, settings, quick=quick),
        progress=Progress(),
    )
    routes = (
        *v1.routes(parts),
        *lanes.Lanes(store, still, settings.lanes).routes(),
        *lanemoves.LaneMoves(store, still).routes(),
        *parked.ParkedLines(store, known, still).routes(),
    )
    return build_app(
        routes=[BoundRoute(route) for route in routes],
        guard=guard,
        box=StoreBox(store, ring=lambda _: None),
        limits=settings.limits,
        clock=store.clock,
    )
