"""Settings: `settings` says what there is, `load` reads it, `reference` writes it down for people."""

from __future__ import annotations

from ingestbox.config.backup import Backup
from ingestbox.config.issuer import Issuer
from ingestbox.config.lane import Lane, Sync
from ingestbox.config.load import Loaded, load
from ingestbox.config.reference import describe, reference
from ingestbox.config.settings import (
    GROUPS,
    LISTS,
    MIB,
    Alarms,
    Auth,
    Console,
    Endpoint,
    Enrich,
    Knowledge,
    Limits,
    Log,
    Outbound,
    Rates,
    Server,
    Settings,
    Store,
    Work,
    sections,
)
from ingestbox.config.shown import Shown, shown

__all__ = [
    "GROUPS",
    "LISTS",
    "MIB",
    "Alarms",
    "Auth",
    "Backup",
    "Console",
    "Endpoint",
    "Enrich",
    "Issuer",
    "Knowledge",
    "Lane",
    "Limits",
    "Loaded",
    "Log",
    "Outbound",
    "Rates",
    "Server",
    "Settings",
    "Shown",
    "Store",
    "Sync",
    "Work",
    "describe",
    "load",
    "reference",
    "sections",
    "shown",
]
