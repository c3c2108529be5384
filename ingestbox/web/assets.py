"""Files that pages load: compressed in the package, read when first asked for, kept by browsers for good."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ingestbox.errors import IngestError
from ingestbox.route import Reply

YEAR_SECONDS = 31_536_000

_ENTITY_TAG = re.compile(r'(?:W/)?"([^"]*)"')


class Content(msgspec.Struct, frozen=True):
    """Something to be served as it is: compressed once, and named by its hash. `packed` is gzip."""

    media_type: str
    packed: bytes
    digest: str

    @classmethod
    def of(cls, body: bytes, media_type: str) -> Content:
        """Compresses a body."""
        return cls.packed_as(gzip.compress(body, mtime=0), media_type)

    @classmethod
    def packed_as(cls, packed: bytes, media_type: str) -> Content:
        """What is compressed already."""
        return cls(media_type, packed, hashlib.sha256(packed).hexdigest()[:16])

    def reply(self, headers: Mapping[str, str], cache: str, *more: tuple[str, str]) -> Reply:
        """The answer to a request with these headers (by lower-case name): whole, or 304 for a known one."""
        said = (
            ("Cache-Control", cache),
            ("ETag", f'W/"{self.digest}"'),  # weak: plain and compressed are the same content
            ("Vary", "Accept-Encoding"),
            *more,
        )
        if_none_match = headers.get("if-none-match", "")
        if if_none_match.strip() == "*" or self.digest in _ENTITY_TAG.findall(if_none_match):
            return Reply(None, 304, said)
        said = (*said, ("Content-Type", self.media_type))
        if takes_gzip(headers):
            return Reply(self.packed, headers=(*said, ("Content-Encoding", "gzip")))
        return Reply(gzip.decompress(self.packed), headers=said)


def takes_gzip(headers: Mapping[str, str]) -> bool:
    """Whether Accept-Encoding admits gzip (RFC 9110, 12.5.3)."""
    weights: dict[str, float] = {}
    for part in headers.get("accept-encoding", "").split(","):
        coding, _, parameter = part.partition(";")
        name, _, value = parameter.partition("=")
        try:
            weight = float(value) if name.strip().lower() == "q" else 1.0
        except ValueError:
            weight = 0.0
        weights[coding.strip().lower()] = weight
    return weights.get("gzip", weights.get("*", 0.0)) > 0


class Assets:
    """The files of a folder by the last part of their name; `.gz` is not a part of it."""

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        """`files` are the places below the folder, each with its media type."""
        self._folder = folder
        self._files = files
        self._places = {place.rpartition("/")[2].removesuffix(".gz"): place for place in files}
        self._read: dict[str, Content] = {}

    @property
    def names(self) -> list[str]:
        """What there is."""
        return sorted(self._places)

    def get(self, name: str) -> Content:
        """The file. Raises IngestError not_found."""
        place = self._places.get(name)
        if place is None:
            raise IngestError("not_found")
        if name not in self._read:
            body = (self._folder / place).read_bytes()
            make = Content.packed_as if place.endswith(".gz") else Content.of
            self._read[name] = make(body, self._files[place])
        return self._read[name]

    def versioned(self, name: str) -> str:
        """The name with its content's version, under which it may be kept for good."""
        return f"{name}?v={self.get(name).digest}"

    def reply(self, name: str, version: str | None, headers: Mapping[str, str]) -> Reply:
        """The answer: kept for a year where the address has the content's version, else asked for anew."""
        content = self.get(name)
        fixed = version == content.digest
        return content.reply(headers, f"public, max-age={YEAR_SECONDS}, immutable" if fixed else "no-cache")
