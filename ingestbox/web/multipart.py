"""A form with one file (multipart/form-data, RFC 7578), taken apart as it comes in.

The parts' own data is found by python-multipart; here is what may be in them: exactly one file, in the part
`file`, and a few small fields beside it. Nothing of the file stays here.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ingestbox.errors import Fault, IngestError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FORM = "multipart/form-data"
FILE = "file"
"""The part that the file comes in."""

MAX_PARTS = 600
"""A form of the console has one for each of a file's first columns."""

MAX_FIELD_BYTES = 65_536
"""All fields beside the file together."""

MAX_NAME_CHARACTERS = 200
"""Of a file's name: longer ones lose their middle."""

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_EXTENDED = re.compile(
    r";[ \t]*filename\*=(?P<charset>utf-8|iso-8859-1)'[a-z0-9-]*'(?P<value>[^;\s]+)", re.IGNORECASE
)
_IDENTITY = ("7bit", "8bit", "binary")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode's categories of characters that a name for people has no use for: controls, marks that turn the
direction of writing, what is not assigned."""


class Form:
    """One form on its way in: `feed` it what arrives, then call `finish`.

    `name` is the file's name, cleaned for display, from the moment at which its part has begun. `pieces` are
    those parts of the file that came with the last `feed`. `fields` are the values of the parts beside it, by
    name; of one that comes twice the last. Raises IngestError: malformed_multipart,
    file_required, file_type_not_supported.
    """

    def __init__(self, content_type: str, extensions: Sequence[str]) -> None:
        """`content_type` is the request's header; of the file's name only these extensions are taken."""
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if not boundary:
            raise _malformed("The Content-Type names no boundary.")
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_end,
            "on_part_data": self._data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError:
            raise _malformed("The boundary is too long.") from None
        self._extensions = extensions
        self._boundary = b"--" + boundary
        self._before: bytearray | None = bytearray()  # until the first boundary
        self._ended = False
        self._parts: list[tuple[str, str | None, str]] = []  # name, file name as sent, SHA-256 (fields)
        self._headers: dict[str, str] = {}
        self._field_name, self._field_value = bytearray(), bytearray()
        self._value: bytearray | None = None  # of the part in hand; None: it is the file
        self._field_bytes = 0
        self.pieces: list[memoryview] = []
        self.fields: dict[str, str] = {}
        self.name: str | None = None
        self.extension = ""

    def feed(self, data: bytes) -> list[memoryview]:
        """The parts of the file in this piece of the body."""
        self.pieces = []
        if self._before is not None:
            data = self._begun(self._before, data)
        try:
            self._parser.write(data)
        except FormParserError:
            raise _malformed("The form is damaged, or does not match its boundary.") from None
        return self.pieces

    def _begun(self, before: bytearray, data: bytes) -> bytes:
        """What has come, from the first boundary on: lines before it mean nothing (RFC 2046, 5.1.1)."""
        before += data
        begins = before.startswith(self._boundary)
        at = 0 if begins else before.find(b"\r\n" + self._boundary, 0, MAX_FIELD_BYTES) + 2
        if begins or at > 1:
            self._before = None
            return bytes(before[at:])
        if len(before) > MAX_FIELD_BYTES:
            raise _malformed("The form is damaged, or does not match its boundary.")
        return b""

    def finish(self) -> list[tuple[str, str | None, str]]:
        """Says that no more comes; what the form held: each part's name, its file's name as it was sent, and
        the SHA-256 of a field's value (of the file: empty)."""
        if not self._ended:
            raise _malformed("The form ends before its closing boundary.")
        if self.name is None:
            raise _required("There is no part `file` with a file name in the form.")
        return self._parts

    def _begin(self) -> None:
        if len(self._parts) >= MAX_PARTS:
            raise _malformed(f"The form has over {MAX_PARTS} parts.")
        self._headers = {}

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._field_name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._field_value += data[start:end]

    def _header_end(self) -> None:
        name = self._field_name.decode("latin-1").strip().lower()
        self._headers[name] = self._field_value.decode("latin-1")
        self._field_name, self._field_value = bytearray(), bytearray()

    def _headers_end(self) -> None:
        disposition, options = parse_options_header(self._headers.get("content-disposition"))
        if disposition != b"form-data" or b"name" not in options:
            raise _malformed("A part has no Content-Disposition: form-data with a name.")
        name, given = _text(options[b"name"]), self._file_name(options)
        if given is None and name != FILE:
            self._parts.append((name, None, ""))
            self._value = bytearray()
            return
        if name != FILE:
            raise _required(f"The file has to be the part `file`, not `{name[:40]}`.")
        if given is None:
            raise _required("The part `file` has no file name.")
        if self.name is not None:
            raise _required("There is more than one file in the form.")
        if self._headers.get("content-transfer-encoding", "binary").strip().lower() not in _IDENTITY:
            raise _malformed("A Content-Transfer-Encoding is not supported.")
        self.name = clean(given)
        self.extension = self.name.rpartition(".")[2].lower() if "." in self.name else ""
        if self.extension not in self._extensions:
            taken = ", ".join(f".{each}" for each in self._extensions)
            raise IngestError(
                "file_type_not_supported", f"`{self.name}` is not taken; the name has to end in {taken}."
            )
        self._parts.append((name, given, ""))
        self._value = None

    def _file_name(self, options: Mapping[bytes, bytes]) -> str | None:
        if b"filename" in options:
            return _text(options[b"filename"])
        return _extended_name(self._headers["content-disposition"])

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._value is None:
            self.pieces.append(memoryview(data)[start:end])
            return
        self._field_bytes += end - start
        if self._field_bytes > MAX_FIELD_BYTES:
            raise _malformed(f"The fields beside the file have over {MAX_FIELD_BYTES:,} bytes.")
        self._value += data[start:end]

    def _part_end(self) -> None:
        if self._value is not None:
            name, _, _ = self._parts[-1]
            self._parts[-1] = (name, None, hashlib.sha256(self._value).hexdigest())
            self.fields[name] = _text(bytes(self._value))
        self._value = bytearray()

    def _end(self) -> None:
        self._ended = True


def clean(name: str) -> str:
    """A file's name for people: without folders and hidden characters, in NFC, of bounded length. It is never
    used as a path."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(c for c in unicodedata.normalize("NFC", last) if unicodedata.category(c) not in _HIDDEN)
    shown = " ".join(shown.split())
    if len(shown) > MAX_NAME_CHARACTERS:
        stem, dot, ending = shown.rpartition(".")
        ending = dot + ending if stem and len(ending) <= 10 else ""
        shown = shown[: MAX_NAME_CHARACTERS - 1 - len(ending)] + "…" + ending
    return shown or "file"


def _extended_name(header: str) -> str | None:
    """The name in `filename*` (RFC 5987), which RFC 7578 forbids; clients send it all the same, in place of
    `filename`, for a name that is not ASCII."""
    found = _EXTENDED.search(_QUOTED.sub("", header))
    if found is None:
        return None
    try:
        return unquote_to_bytes(found["value"]).decode(found["charset"])
    except UnicodeDecodeError:
        return None


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _malformed(sentence: str) -> IngestError:
    return IngestError("malformed_multipart", sentence)


def _required(sentence: str) -> IngestError:
    return IngestError(
        "file_required", sentence, faults=[Fault("file_required", sentence.rstrip("."), field=FILE)]
    )
