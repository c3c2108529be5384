"""Places that lanes deliver to: each a sink, chosen by the scheme of the lane's URL."""

from __future__ import annotations

from ingestbox import config
from ingestbox.clock import Clock
from ingestbox.errors import StartupError
from ingestbox.forward.sink import Sink
from ingestbox.forward.sinks import address, postgresaddress
from ingestbox.forward.sinks.http import HttpSink


def open_sink(lane: config.Lane, clock: Clock, box: str) -> Sink:
    """The sink for a lane; nothing is connected yet. `box` is this box's id. Raises StartupError for what
    cannot be used: an address, a token, a certificate."""
    if _is_postgres(lane.url):
        try:
            from ingestbox.forward.sinks.postgres import PostgresSink
        except ModuleNotFoundError as error:
            if error.name != "asyncpg":
                raise
            raise StartupError(
                f"Lane {lane.name}: delivering to PostgreSQL needs the extra: pip install "
                "'ingestbox[postgres]'; the released binary has it."
            ) from None
        return PostgresSink(lane, clock)
    return HttpSink(lane, clock, box)


def shown_url(url: str) -> str:
    """A lane's address without what may be secret in it: user, password, query."""
    return postgresaddress.shown(url) if _is_postgres(url) else address.shown_url(url)


def _is_postgres(url: str) -> bool:
    return url.partition("://")[0] in postgresaddress.SCHEMES
