"""Errors that only the door makes, which need a header of their own."""

from __future__ import annotations

from ingestbox.errors import IngestError


class Refusal(IngestError):  # noqa: N818 - like IngestError it is an answer, not a defect
    """An error of the catalogue with response headers (`Allow`, `Accept-Encoding` …) to go with it."""

    def __init__(self, code: str, detail: str | None = None, *, headers: tuple[tuple[str, str], ...]) -> None:
        super().__init__(code, detail)
        self.headers = headers
