"""Logs: one JSON object a line on stderr, or one plain line for people (contract: common, Logs)."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from typing import TextIO

import msgspec

from ingestbox.clock import iso

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
user_id: ContextVar[str | None] = ContextVar("user_id", default=None)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


def _facts(record: logging.LogRecord) -> dict[str, object]:
    """What a line is about, besides its text: `extra=…` of the call and the request's context."""
    facts: dict[str, object] = {}
    if (rid := request_id.get()) is not None:
        facts["request_id"] = rid
    if (uid := user_id.get()) is not None:
        facts["user_id"] = uid
    facts.update(
        (key, value) for key, value in record.__dict__.items() if key not in _STANDARD and value is not None
    )
    return facts


class JsonFormatter(logging.Formatter):
    """`timestamp`, `level`, `logger`, `message`, then the facts; an exception carries its stack."""

    _encoder = msgspec.json.Encoder(enc_hook=str)

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        line: dict[str, object] = {
            "timestamp": iso(int(record.created * 1000)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(_facts(record))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        try:
            return self._encoder.encode(line).decode()
        except UnicodeEncodeError:  # half a character, as in a path that is not UTF-8: said in escapes
            return json.dumps(line, default=str)


class SimpleFormatter(logging.Formatter):
    """For people: time, level, message, then the facts as `key=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one readable line (and its stack, if it has one)."""
        clock = (iso(int(record.created * 1000)) or "")[11:23]
        facts = " ".join(f"{key}={_shown(value)}" for key, value in _facts(record).items())
        text = f"{clock} {record.levelname:<7} {record.getMessage()}"
        if facts:
            text = f"{text}  [{facts}]"
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return text


def _shown(value: object) -> str:
    """A fact as text that stays on its line: some come from outside, an upstream's code for example."""
    text = str(value)
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def set_up(level: str, form: str, stream: TextIO | None = None) -> None:
    """Sends all logging of this process to `stream` (stderr); `form` is `json` or `simple`.

    Libraries that log each request or each task by themselves are held at WARNING: the box logs those
    events once, with its own fields.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else SimpleFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("httpx2", "httpcore2", "huey", "huey.consumer", "aiosqlite", "uvicorn.error", "asyncio"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.raiseExceptions = False  # a closed stderr must not take a request down
