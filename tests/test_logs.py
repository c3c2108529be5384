"""What is logged is there, one line of JSON each, whatever it holds."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from ingestbox import logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    made = io.StringIO()
    logs.set_up("INFO", "json", made)
    yield made
    root.handlers[:], logging.raiseExceptions = handlers, raising
    root.setLevel(level)


@pytest.mark.parametrize("text", ["plain", "ünïcode 😀", "two\nlines", 'quo"te', "half \udcff", "\x00"])
def test_a_line_is_json_and_says_it_all(stream: io.StringIO, text: str) -> None:
    logging.getLogger("test").info("%s", text, extra={"place": text, "number": 1 << 70, "thing": {text}})
    (line,) = stream.getvalue().splitlines()
    said = json.loads(line)
    assert (said["message"], said["place"], said["number"]) == (text, text, 1 << 70)
    assert said["level"] == "INFO" and said["timestamp"].endswith("Z")


def test_a_fact_cannot_begin_a_line_of_its_own_or_steer_a_terminal() -> None:
    code = "a\r\n12:00:00 ERROR \x1b[2J \x85\u2028 \udcff"
    line = logs.SimpleFormatter().format(logging.makeLogRecord({"msg": "m", "code": code, "name": "é"}))
    assert len(line.splitlines()) == 1 and line.isprintable()
    assert (
        logs.SimpleFormatter().format(logging.makeLogRecord({"msg": "m", "code": "é 😀"})).endswith("é 😀]")
    )
