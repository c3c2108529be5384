"""What came of knocking at an upstream, in words."""

from __future__ import annotations

from ingestbox import lanewords
from ingestbox.forward.sink import Decision, Delivered, Pause, Refused, Retry, TooLarge
from ingestbox.model import LaneTest


def knocked(decision: Decision, status: int | None, seconds: float, *, said: str = "") -> LaneTest:
    """The result of a test. `said` is the sentence to show where the reason has none of its own.

    An upstream that refuses a batch for having no lines has let us in.
    """
    seconds = round(seconds, 3)
    if isinstance(decision, Delivered):
        return LaneTest(True, None, status, seconds, "The upstream was reached, and lets this box in.", "")
    if isinstance(decision, Refused):
        return LaneTest(
            True,
            None,
            status,
            seconds,
            "The upstream was reached, and lets this box in. It has no use for a batch without lines, which "
            "is all that a test sends.",
            "",
        )
    if isinstance(decision, TooLarge):
        decision = Pause(f"refused: {status}")
    assert isinstance(decision, (Retry, Pause))
    words = lanewords.said(decision.reason)
    meaning = said or words.meaning
    if isinstance(decision, Pause) and decision.words:
        meaning += f" It says: “{decision.words}”"
    return LaneTest(False, decision.reason, status, seconds, meaning, words.remedy)
