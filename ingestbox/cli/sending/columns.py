"""What a person says of a file's columns: `--mapping FIELD=COLUMN`."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click


def said(mapping: Sequence[str]) -> dict[str, str]:
    """The parameter `mapping` of an upload, if anything is said. Raises UsageError."""
    columns = {}
    for each in mapping:
        field, equals, column = each.partition("=")
        if not equals:
            raise click.UsageError(f"--mapping {each!r} has to be FIELD=COLUMN, for example email=Kontakt.")
        columns[field.strip()] = column
    return {"mapping": json.dumps(columns)} if columns else {}
