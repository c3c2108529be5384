"""Lanes in the store: what each takes, where it has come to, what it could not deliver, whether the sums are
right.

Per lane, always: enqueued = delivered + pending + parked + discarded (contract: forwarding).
"""

from ingestbox.store.lanepage import Page, Parked
from ingestbox.store.lanes.balances import Balance, balances
from ingestbox.store.lanes.cursor import Advance, ParkAgain, PassOver, Position, again, pending, position
from ingestbox.store.lanes.fresh import MarkFresh
from ingestbox.store.lanes.removals import RemoveLane, remove_lane
from ingestbox.store.lanes.replays import Replay, Replayed, replay
from ingestbox.store.lanes.rows import ON_HOLD, HoldLane, MarkLane, OpenLane, OpenLanes, open_lanes
from ingestbox.store.lanes.status import LaneStatus, overview
from ingestbox.store.takes import Takes

__all__ = [
    "ON_HOLD",
    "Advance",
    "Balance",
    "HoldLane",
    "LaneStatus",
    "MarkFresh",
    "MarkLane",
    "OpenLane",
    "OpenLanes",
    "Page",
    "ParkAgain",
    "Parked",
    "PassOver",
    "Position",
    "RemoveLane",
    "Replay",
    "Replayed",
    "Takes",
    "again",
    "balances",
    "open_lanes",
    "overview",
    "pending",
    "position",
    "remove_lane",
    "replay",
]
