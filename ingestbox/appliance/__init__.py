"""The program: `parts` is the only wiring, `appliance` starts and stops what it built, `serving` runs one."""

from __future__ import annotations

from ingestbox.appliance.appliance import Appliance
from ingestbox.appliance.serving import serve

__all__ = ["Appliance", "serve"]
