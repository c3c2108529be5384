"""The boxes that send here, as alarms, metrics and the doctor tell of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from prometheus_client.core import Metric

from ingestbox.clock import iso
from ingestbox.errors import IngestError
from ingestbox.metrics import gauge
from ingestbox.store import Store, senders
from ingestbox.store.senders import Gap, SenderStatus
from ingestbox.web.v1.reports import Finding

MOST_BOXES = 100
"""Boxes that have alarms and metrics of their own: those that sent last. Whoever may send could make up any
number of them."""

REMEDIES = {
    "sync_gap": "Look at that box's lanes: it sends what is missing when it delivers its next batch.",
    "seq_reused": "That box needs a new epoch: start it on a copy of its data folder, which it notices.",
}
"""What to do about an alarm, by what its name begins with."""


class Trouble(msgspec.Struct, frozen=True):
    """Something that may be wrong with a box: `sync_gap:<box>` or `seq_reused:<box>`, and a sentence, good or
    bad, for the operator."""

    name: str
    ok: bool
    detail: str


async def troubles(store: Store, gap_minutes: int) -> list[Trouble]:
    """Both for each box. Raises IngestError `store_unavailable`."""
    by_box: dict[str, list[SenderStatus]] = {}
    for each in await senders.senders(store, MOST_BOXES):
        by_box.setdefault(each.box, []).append(each)
    now = store.clock.now_ms()
    found = []
    for box, epochs in by_box.items():
        old = [gap for each in epochs for gap in each.gaps if _stands(gap, now, gap_minutes * 60_000)]
        found.append(Trouble(f"sync_gap:{box}", not old, _gap_words(old)))
        reusing = [each for each in epochs if each.reuses(now)]
        found.append(Trouble(f"seq_reused:{box}", not reusing, _reused_words(reusing)))
    return found


def metrics(sent: Sequence[SenderStatus]) -> Iterable[Metric]:
    """By box, over its epochs: the one that sent last speaks for the lag."""
    seen: dict[tuple[str, ...], float] = {}
    lag: dict[tuple[str, ...], float] = {}
    gaps: dict[tuple[str, ...], float] = {}
    reused: dict[tuple[str, ...], float] = {}
    for each in sorted(sent, key=lambda one: one.last_seen_ms):
        box = (each.box,)
        seen[box] = each.last_seen_ms / 1000
        if each.lag_ms is not None:
            lag[box] = each.lag_ms / 1000
        gaps[box] = gaps.get(box, 0.0) + sum(not gap.left_behind for gap in each.gaps)
        reused[box] = reused.get(box, 0.0) + each.reused
    yield gauge("sync_box_last_seen_timestamp_seconds", "When a box sent its last batch here.", seen, "box")
    yield gauge("sync_box_lag_seconds", "How old a box's newest line was when it came.", lag, "box")
    yield gauge(
        "sync_gaps", "Gaps in what a box sent, without those of lanes that it has no more.", gaps, "box"
    )
    yield gauge("sync_reused_seqs", "Lines of a box under numbers that it had used before.", reused, "box")


async def finding(store: Store) -> list[Finding]:
    """What the doctor says, if boxes send here; what is wrong with one is an alarm, and a finding there."""
    try:
        sent = await senders.senders(store)
    except IngestError as error:
        return [Finding("boxes", False, f"they cannot be read: {error.detail}", error.remedy)]
    if not sent:
        return []
    last = max(sent, key=lambda each: each.last_seen_ms)
    gaps = sum(not gap.left_behind for each in sent for gap in each.gaps)
    told = (
        f"{len({each.box for each in sent})} send here, {last.box} last at {iso(last.last_seen_ms)}; "
        f"gaps: {gaps}; numbers used twice: {sum(each.reused for each in sent)}"
    )
    return [Finding("boxes", True, told)]


def _stands(gap: Gap, now_ms: int, patience_ms: int) -> bool:
    return not gap.left_behind and now_ms - gap.since_ms >= patience_ms


def _gap_words(old: Sequence[Gap]) -> str:
    if not old:
        return "nothing that it sent is missing, or it is on its way"
    first = min(old, key=lambda gap: gap.since_ms)
    lane = f" of its lane {first.lane}" if first.lane else ""
    more = f"; {len(old)} gaps in all" if len(old) > 1 else ""
    return (
        f"the lines after {first.after} and before {first.first}{lane} have not come; none of them since "
        f"{iso(first.since_ms)}{more}"
    )


def _reused_words(reusing: Sequence[SenderStatus]) -> str:
    if not reusing:
        return "it has used no number twice for a day"
    each = max(reusing, key=lambda one: one.reused_ms or 0)
    return (
        f"it was set back: {each.reused} of its lines came under numbers that it had used before, and were "
        f"refused, the last at {iso(each.reused_ms)}; this ends a day after that"
    )
