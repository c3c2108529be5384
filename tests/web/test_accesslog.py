"""Lines held and written a few at a time."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from ingestbox import logs
from ingestbox.web.accesslog import HOLD_LINES, LOGGER, AccessLog


def note(access: AccessLog, request_id: str, user_id: str | None = None) -> None:
    access.note(
        method="GET",
        path="/",
        status=200,
        duration_ms=1.0,
        request_id=request_id,
        user_id=user_id,
        client="192.0.2.7",
        code=None,
    )


def test_lines_come_when_there_are_many_or_after_a_moment(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        access = AccessLog()
        for number in range(HOLD_LINES - 1):
            note(access, str(number))
        assert caplog.records == []
        note(access, "last")
        assert len(caplog.records) == HOLD_LINES
        before = time.time()
        note(access, "single")
        after = time.time()
        async with asyncio.timeout(10):
            while len(caplog.records) == HOLD_LINES:  # noqa: ASYNC110 - the line comes by a timer
                await asyncio.sleep(0.01)
        single = caplog.records[-1]
        assert vars(single)["request_id"] == "single"
        assert before <= single.created <= after  # when it ended, not when it was written

    with caplog.at_level(logging.INFO, LOGGER):
        asyncio.run(main())


def test_a_line_without_a_user_does_not_take_that_of_the_request_that_writes_it() -> None:
    seen: list[object] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append((logs.user_id.get(), logs.request_id.get()))

    async def main() -> None:
        access = AccessLog()
        logs.user_id.set("local:ann")
        logs.request_id.set("hers")
        note(access, "other")
        access.flush()

    logger, handler = logging.getLogger(LOGGER), Handler()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        asyncio.run(main())
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert seen == [(None, None)]


def test_nothing_is_held_when_nobody_reads_it(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        access = AccessLog()
        for number in range(HOLD_LINES * 2):
            note(access, str(number))
        access.flush()

    with caplog.at_level(logging.WARNING, LOGGER):
        asyncio.run(main())
    assert caplog.records == []
