"""Settings of backups: where they go, when they are taken, how many stay."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Backup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[backup]: copies of the whole box, taken while it runs."""

    folder: Annotated[
        str,
        Meta(
            description="Folder that backups are written to; best one on another disk. It has to exist, so "
            "that a disk that is not mounted is noticed. Empty: `backups` in the data folder, which is made."
        ),
    ] = ""
    schedule: Annotated[
        str,
        Meta(
            pattern=r"^(|every [1-9][0-9]{0,6} [smhd]|cron( [0-9*,/-]+){5})$",
            description='"every 24 h" (s, m, h or d; a minute at least), or "cron" and when: minute, hour, '
            'day, month, weekday, in local time; "cron 30 2 * * *": at half past two. What was missed is '
            "made up for. Empty: none is taken by itself.",
        ),
    ] = ""
    keep: Annotated[
        int,
        Meta(
            ge=1,
            le=1000,
            description="How many of the scheduled backups stay, the newest. Others are never removed.",
        ),
    ] = 7
