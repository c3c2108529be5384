"""Forwarding: lanes that carry deliveries upstream, in order, once in effect."""

from ingestbox.forward.forwarder import Forwarder
from ingestbox.forward.state import LaneState

__all__ = ["Forwarder", "LaneState"]
