"""Decompression of request bodies as a stream of small pieces, so that the reader can stop at its cap.

gzip and zstd bodies may have several members, back to back; `deflate` is zlib's format or, as some clients
have it, raw. A stream that is damaged or ends early raises IngestError `malformed_encoding`.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from typing import Protocol

from ingestbox.errors import IngestError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ENCODINGS = ("gzip", "zstd", "deflate")
"""What `Content-Encoding` may name."""

PIECE = 262_144
"""Most bytes inflated at once: about 1 ms of work."""

MAX_MEMBERS = 16_384
"""An empty gzip member has 20 bytes, an empty zstd frame 9: without a cap a small body costs seconds. Blocked
gzip has one member per 64 KB, so this is enough for 1 GB."""

ZSTD_WINDOW_LOG = 23
"""8 MB, the largest window that a zstd body may ask for over HTTP (RFC 9659)."""


class _Decoder(Protocol):
    """Inflates one member."""

    def step(self, data: bytes) -> tuple[bytes, bytes, bool]:
        """At most PIECE bytes out, the input not taken yet, and whether to step again (more may come out)."""

    @property
    def eof(self) -> bool:
        """Whether the member is complete."""


class _Zlib:
    """One gzip member, zlib stream or raw deflate stream, as `wbits` says."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    def step(self, data: bytes) -> tuple[bytes, bytes, bool]:
        out = self._inner.decompress(data, PIECE)
        if self._inner.eof:
            return out, self._inner.unused_data, False
        rest = self._inner.unconsumed_tail
        return out, rest, bool(rest) or len(out) == PIECE


class _Zstd:
    """One zstd frame."""

    def __init__(self) -> None:
        options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG}
        self._inner = zstd.ZstdDecompressor(options=options)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    def step(self, data: bytes) -> tuple[bytes, bytes, bool]:
        out = self._inner.decompress(data, PIECE)
        if self._inner.eof:
            return out, self._inner.unused_data, False
        return out, b"", not self._inner.needs_input


class Inflater:
    """Inflates one body. Feed it what arrives, then call `finish`."""

    def __init__(self, encoding: str) -> None:
        """`encoding` is one of ENCODINGS."""
        self._encoding = encoding
        self._decoder: _Decoder | None = None
        self._members = 0
        self._head = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Pieces (some empty) of at most PIECE bytes; work is done only as they are taken."""
        if self._encoding == "deflate" and self._decoder is None and not self._members:
            self._head += data
            if len(self._head) < 2:
                return
            data, self._head = self._head, b""
        try:
            yield from self._pieces(data)
        except (zlib.error, zstd.ZstdError):
            raise self._malformed("is damaged") from None

    def finish(self) -> None:
        """Says that no more bytes come. Raises IngestError `malformed_encoding` when some are missing."""
        if self._decoder is not None or not self._members:
            raise self._malformed("ends before it is complete")

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        again = bool(data)
        while again:
            if self._decoder is None:
                self._decoder = self._member(data)
            out, data, again = self._decoder.step(data)
            if self._decoder.eof:
                self._decoder = None
                again = bool(data)
            yield out

    def _member(self, data: bytes) -> _Decoder:
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise self._malformed(f"has more than {MAX_MEMBERS} members")
        if self._encoding == "zstd":
            return _Zstd()
        if self._encoding == "gzip":
            return _Zlib(16 + zlib.MAX_WBITS)
        if self._members > 1:
            raise self._malformed("goes on after its end")
        # RFC 1950: the method is 8 and the first two bytes are a multiple of 31. A raw stream cannot look so
        # unless it begins with a stored block whose padding is not zero.
        has_zlib_header = data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
        return _Zlib(zlib.MAX_WBITS if has_zlib_header else -zlib.MAX_WBITS)

    def _malformed(self, what: str) -> IngestError:
        window = (
            " or asks for a window over 8 MB" if self._encoding == "zstd" and what == "is damaged" else ""
        )
        return IngestError("malformed_encoding", f"The {self._encoding} body {what}{window}.")
