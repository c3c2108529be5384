"""Failures that come in rows: said once, not each time."""

from __future__ import annotations

import logging

_log = logging.getLogger(__name__)


class Trouble:
    """Something that may fail again and again: said when it begins or changes, and when it is over."""

    def __init__(self, failure: str, recovery: str) -> None:
        self._failure, self._recovery = failure, recovery
        self._kind: type[BaseException] | None = None
        self._times = 0

    def failed(self, error: BaseException, job_id: int | None = None) -> None:
        """Logs the error with its stack, unless the last one was of the same kind."""
        self._times += 1
        if type(error) is not self._kind:
            self._kind = type(error)
            _log.error(self._failure, exc_info=error, extra={"job_id": job_id})

    def passed(self) -> None:
        """Logs the recovery, if there was trouble."""
        if self._kind is not None:
            _log.info(self._recovery, extra={"failures": self._times})
            self._kind, self._times = None, 0
