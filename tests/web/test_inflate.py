"""Decompression in pieces."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestbox.errors import IngestError
from ingestbox.web.inflate import MAX_MEMBERS, PIECE, Inflater
from tests.web.packing import raw_deflate, zstd_pack

PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "zstd": ("zstd", zstd_pack),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
}


def inflate(encoding: str, packed: bytes, step: int = 65_536) -> bytes:
    inflater = Inflater(encoding)
    pieces = []
    for start in range(0, len(packed), step):
        for piece in inflater.feed(packed[start : start + step]):
            assert len(piece) <= PIECE
            pieces.append(piece)
    inflater.finish()
    return b"".join(pieces)


def reason(encoding: str, packed: bytes) -> str:
    with pytest.raises(IngestError) as caught:
        inflate(encoding, packed)
    assert (caught.value.code, caught.value.status) == ("malformed_encoding", 400)
    return caught.value.detail


@pytest.mark.parametrize("name", PACKERS)
@given(data=st.binary(max_size=2_000), step=st.integers(1, 300), repeat=st.integers(1, 2_000))
def test_what_was_packed_comes_out_however_it_arrives(name: str, data: bytes, step: int, repeat: int) -> None:
    encoding, pack = PACKERS[name]
    assert inflate(encoding, pack(data * repeat), step) == data * repeat


@pytest.mark.parametrize("name", PACKERS)
def test_a_piece_may_end_within_the_streams_last_bytes(name: str) -> None:
    """The decoder has then taken all input and still holds output."""
    encoding, pack = PACKERS[name]
    for more in range(0, 520, 7):
        data = b"x" * (PIECE + more)
        assert inflate(encoding, pack(data)) == data


@pytest.mark.parametrize("name", PACKERS)
def test_a_cut_stream_is_malformed_wherever_it_is_cut(name: str) -> None:
    encoding, pack = PACKERS[name]
    packed = pack(bytes(range(256)) * 8)
    for length in range(len(packed)):
        assert reason(encoding, packed[:length]) == f"The {encoding} body ends before it is complete."


@pytest.mark.parametrize("name", ["gzip", "zstd", "deflate"])
def test_a_damaged_stream_is_malformed(name: str) -> None:
    encoding, pack = PACKERS[name]
    packed = bytearray(pack(bytes(range(256)) * 8))
    packed[-1] ^= 0xFF  # the checksum, or the length; zstd has none unless asked
    if name == "zstd":
        packed = bytearray(b"{}" + packed)
    assert "is damaged" in reason(encoding, bytes(packed))
    assert reason(encoding, b'{"records":[]}')


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_members_follow_each_other_and_may_not_be_countless(name: str) -> None:
    encoding, pack = PACKERS[name]
    assert inflate(encoding, pack(b"one ") + pack(b"") + pack(b"two"), 5) == b"one two"
    assert inflate(encoding, pack(b"") * MAX_MEMBERS) == b""
    assert "members" in reason(encoding, pack(b"") * (MAX_MEMBERS + 1))
    assert reason(encoding, pack(b"one") + b"garbage")


def test_deflate_has_one_stream_alone() -> None:
    assert reason("deflate", zlib.compress(b"one") + b"x") == "The deflate body goes on after its end."


def test_a_zstd_window_over_8_mb_is_refused() -> None:
    assert "window over 8 MB" in reason("zstd", zstd_pack(b"x" * 100, window_log=24))
    assert inflate("zstd", zstd_pack(b"x" * 100, window_log=23)) == b"x" * 100
