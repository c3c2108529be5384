"""The file of a form on its way to the disk: streamed, so that a request holds a small buffer whatever it
sends."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Mapping

import msgspec

from ingestbox.errors import IngestError, TooLargeError
from ingestbox.sheet import Upload
from ingestbox.store.shelf import BUFFER_BYTES, EXTENSIONS, Incoming, Shelf
from ingestbox.web.bodies import Body, check_content_type, content_encoding
from ingestbox.web.budget import Hold
from ingestbox.web.multipart import FORM, MAX_FIELD_BYTES, Form

HELD_BYTES = 2 * BUFFER_BYTES
"""What an upload holds of the budget for bodies."""

AROUND_BYTES = 2 * MAX_FIELD_BYTES
"""What a form may have beside its file."""

COUNTED_BYTES = 4 * 1_048_576
"""So much of a file is counted beyond its limit, and dropped, to tell its sender how large it is."""


class Uploads:
    """Where the files of requests go."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def receive(
        self, body: Body, headers: Mapping[str, str], limit: int, stall: float, hold: Hold
    ) -> Upload:
        """Takes the form's file to the disk, synced, whatever the body's coding; nothing is left of it when
        this fails. `limit` is of the file, on the wire and after decompression. The file's name is judged
        before its size, unless its sender waits to hear whether to send it at all.

        Raises IngestError: unsupported_media_type, malformed_multipart, file_required, file_empty,
        file_type_not_supported, payload_too_large (TooLargeError), storage_full, store_unavailable, and what
        `Body.pour` does.
        """
        if "content-type" not in headers:
            raise IngestError("unsupported_media_type", f"Send the file as {FORM}.")
        check_content_type(headers, (FORM,))
        most = limit + AROUND_BYTES
        over = body.length is not None and body.length > most
        if over and body.expects_continue:
            raise TooLargeError(limit)
        hopeless = over and body.length is not None and body.length > most + COUNTED_BYTES
        form = Form(headers["content-type"], EXTENSIONS)
        coming = _Coming(self._shelf, form, body.length, limit, over=over, hopeless=hopeless)
        encoding = content_encoding(headers)
        if not body.finished:
            await hold.take(HELD_BYTES)
        try:
            await body.pour(most + COUNTED_BYTES, encoding, stall, hold, coming.take)
            return await coming.finish()
        except IngestError as error:
            await coming.discard()
            if error.code == "payload_too_large" and not isinstance(error, TooLargeError):
                raise TooLargeError(limit) from None
            raise
        except BaseException:
            await coming.discard()
            raise

    async def end(self, upload: Upload) -> None:
        """The request has ended; the file goes, unless it is to be kept."""
        if not upload.kept:
            await self._shelf.remove(upload.stored)


class _Coming:
    """One form and its file, as they come."""

    def __init__(
        self, shelf: Shelf, form: Form, announced: int | None, limit: int, *, over: bool, hopeless: bool
    ) -> None:
        """`over`: more is announced than fits, so that nothing need be kept; `hopeless`: nor be counted."""
        self._shelf = shelf
        self._form = form
        self._announced = announced
        self._limit = limit
        self._over = over
        self._hopeless = hopeless
        self._size = 0
        self._file: Incoming | None = None

    def take(self, piece: bytes, _: int) -> Awaitable[None] | None:
        pieces = self._form.feed(piece)
        if self._form.name is None:
            return None
        self._size += sum([len(each) for each in pieces])
        if self._hopeless:
            raise TooLargeError(self._limit)
        if self._over or self._size > self._limit:
            self._over = True
            return None
        if self._file is None:
            return self._begin(pieces)
        return self._file.flush() if self._add(pieces) else None

    async def _begin(self, pieces: list[memoryview]) -> None:
        self._file = await self._shelf.begin(self._form.extension, self._announced)
        self._add(pieces)

    def _add(self, pieces: list[memoryview]) -> bool:
        assert self._file is not None
        due = False
        for piece in pieces:
            due = self._file.add(piece)
        return due

    async def finish(self) -> Upload:
        parts = self._form.finish()
        assert self._form.name is not None  # or `finish` had said so
        if self._over:
            # Less, when the fields beside it are what is too much.
            raise TooLargeError(self._limit, self._size if self._size > self._limit else None)
        assert self._file is not None
        if not self._file.size:
            raise IngestError("file_empty", "The file is empty.")
        sha256 = await self._file.keep()
        content = hashlib.sha256(msgspec.json.encode([parts, sha256])).digest()
        return Upload(
            self._file.name, self._form.name, self._file.size, sha256, content, fields=self._form.fields
        )

    async def discard(self) -> None:
        if self._file is not None:
            await self._file.discard()
