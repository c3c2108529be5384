"""Places that lanes deliver to: each a sink, chosen by the scheme of the lane's URL."""

from __future__ import annotations

from ingestbox import config
from ingestbox.clock import Clock
from ingestbox.forward.sink import Sink
from ingestbox.forward.sinks.http import HttpSink


def open_sink(lane: config.Lane, clock: Clock, box: str) -> Sink:
    """The sink for a lane; nothing is connected yet. `box` is this box's id. Raises StartupError for what
    cannot be used: an address, a token, a certificate."""
    return HttpSink(lane, clock, box)
