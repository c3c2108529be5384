"""The lanes of a box that does not run: what a command changes counts from the next start."""

from __future__ import annotations

from collections.abc import Sequence

from ingestbox.clock import Clock
from ingestbox.config import Lane
from ingestbox.errors import IngestError
from ingestbox.forward.sinks import open_sink
from ingestbox.model import LaneTest


class Still:
    """In the place of a forwarder: nothing is sent, so nobody has to be told; but an upstream can be
    tested."""

    def __init__(self, lanes: Sequence[Lane], clock: Clock, box: str) -> None:
        self._lanes = {lane.name: lane for lane in lanes}
        self._clock = clock
        self._box = box

    def hold(self, name: str) -> None:
        """The lane's row says it at the next start."""

    def release(self, name: str) -> None:
        """So does this."""

    def again(self, name: str) -> None:
        """A start looks for what is to be sent again."""

    def moved(self, name: str) -> None:
        """A start reads where the lane is."""

    async def test(self, name: str) -> LaneTest:
        """Knocks at the upstream. Raises IngestError `not_found` for a lane that is not in the settings,
        StartupError for one whose address or files cannot be used."""
        lane = self._lanes.get(name)
        if lane is None:
            raise IngestError("not_found", f"Lane {name} is not in the settings of this box.")
        sink = open_sink(lane, self._clock, self._box)
        try:
            return await sink.test()
        finally:
            await sink.close()
