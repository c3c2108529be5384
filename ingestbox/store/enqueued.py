"""What lanes have to deliver is counted where deliveries are made, in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable

from ingestbox.store.unit import Tx

Made = tuple[str, str, str, str, bool, int]
"""A delivery that was made: workspace, family, kind, op, whether another box made what it tells, and the
bytes of its line."""


def count_enqueued(tx: Tx, made: Iterable[Made]) -> None:
    """Counts deliveries for every lane that takes them: lines and bytes. Whoever makes deliveries calls it
    in the transaction that stores them, so that no lane ever counts one it does not have.

    Lanes that are off count on: they may come back. One statement for each group of the same sort.
    """
    groups: dict[tuple[str, str, str, str, bool], tuple[int, int]] = {}
    for workspace, family, kind, op, relayed, size in made:
        sort = (workspace, family, kind, op, relayed)
        lines, total = groups.get(sort, (0, 0))
        groups[sort] = (lines + 1, total + size)
    for (workspace, family, kind, op, relayed), (lines, total) in groups.items():
        tx.run(
            "lanes.count_enqueued",
            {
                "workspace": workspace,
                "family": family,
                "kind": kind,
                "op": op,
                "relayed": int(relayed),
                "n": lines,
                "bytes": total,
            },
        )
