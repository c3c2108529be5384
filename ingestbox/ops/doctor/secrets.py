"""What the doctor says of who can reach what is secret: the data folder, its copies, keys of TLS."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from ingestbox.config import Settings
from ingestbox.ops.backup import folder as backups
from ingestbox.store import snapshots
from ingestbox.web.v1.reports import Finding

OWN = ("secret", "secret.old", "ingestbox.db*", "bell.db*", "command.pem", "lock")
"""In the data folder: what is secret, or holds what clients sent."""

FOLDERS = ("incoming", "files", backups.FOLDER, snapshots.FOLDER)
NAMED = 5


def permissions(data: Path, settings: Settings) -> list[Finding]:
    """Whether others on this machine can reach any of it, or the box itself cannot."""
    findings = []
    reached = [path for path in _ours(data, settings) if _mode(path) & 0o077]
    if reached:
        findings.append(
            Finding(
                "permissions",
                False,
                f"other users of this machine can reach {_names(reached, data)} in {data}",
                f"chmod go-rwx {' '.join(str(path) for path in reached[:NAMED])}"
                + (" …" if len(reached) > NAMED else ""),
            )
        )
    foreign = _foreign(data, settings)
    if foreign:
        findings.append(
            Finding(
                "permissions",
                False,
                f"the owner of {data} does not own {_names(foreign, data)}: a command ran as another user",
                f"chown -R --reference={data} {data}",
            )
        )
    # A group may be let in to keys (Debian's ssl-cert); everybody may not.
    keys = [path for path in _keys(settings) if _mode(path) & 0o007]
    if keys:
        findings.append(
            Finding(
                "permissions",
                False,
                f"every user of this machine can reach {', '.join(str(path) for path in keys)}",
                f"chmod o-rwx {' '.join(str(path) for path in keys)}",
            )
        )
    return findings or [
        Finding("permissions", True, "folder, secrets, store, copies and keys are the owner's alone")
    ]


def _ours(data: Path, settings: Settings) -> Iterator[Path]:
    yield data
    for pattern in OWN:
        yield from sorted(data.glob(pattern))
    yield from (data / name for name in FOLDERS if (data / name).exists())
    yield from _copies(data, settings)


def _copies(data: Path, settings: Settings) -> Iterator[Path]:
    for folder in {data / backups.FOLDER, Path(settings.backup.folder or data / backups.FOLDER)}:
        try:
            yield from sorted(path for path in folder.iterdir() if backups.is_name(path.name))
        except OSError:
            continue  # what is wrong with it is another finding
    yield from (each.path for each in snapshots.listed(data))


def _foreign(data: Path, settings: Settings) -> list[Path]:
    try:
        owner = data.stat().st_uid
    except OSError:
        return []
    inside = (path for path in _ours(data, settings) if data in path.parents)
    return [path for path in inside if _owner(path, owner) != owner]


def _keys(settings: Settings) -> Iterator[Path]:
    named = [settings.server.tls_key]
    for lane in settings.lanes:
        named += (lane.tls_key, lane.token_file, lane.signing_secret_file)
    yield from (Path(name) for name in dict.fromkeys(named) if name)


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0


def _owner(path: Path, otherwise: int) -> int:
    try:
        return path.stat().st_uid
    except OSError:
        return otherwise


def _names(paths: list[Path], data: Path) -> str:
    names = [path.name if path != data else str(data) for path in paths]
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
