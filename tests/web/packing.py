"""Compressed bodies of every kind."""

from __future__ import annotations

import sys
import zlib

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def raw_deflate(data: bytes) -> bytes:
    """Deflate without zlib's header and checksum, as some clients send it."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def zstd_pack(data: bytes, window_log: int | None = None) -> bytes:
    """One zstd frame; with `window_log` streamed, so that the frame asks for that window."""
    if window_log is None:
        return zstd.compress(data)
    packer = zstd.ZstdCompressor(options={int(zstd.CompressionParameter.window_log): window_log})
    return packer.compress(data) + packer.flush()
