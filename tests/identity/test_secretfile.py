"""The file that holds the signing secret."""

from __future__ import annotations

import logging
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingestbox.errors import StartupError
from ingestbox.identity.secretfile import load_secret


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_once_closed_to_others_with_256_random_bits(tmp_path: Path) -> None:
    first = load_secret(tmp_path)
    assert len(first) == 43 and first.isascii()
    assert load_secret(tmp_path) == first
    assert mode_of(tmp_path / "secret") == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["secret"]
    other = tmp_path / "other"
    other.mkdir()
    assert load_secret(other) != first


def test_many_makers_at_once_agree_and_leave_nothing_behind(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        secrets = set(pool.map(load_secret, [tmp_path] * 64))
    assert len(secrets) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["secret"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_file_open_to_others_is_closed_with_a_warning(
    tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    secret = load_secret(tmp_path)
    (tmp_path / "secret").chmod(mode)
    with caplog.at_level(logging.WARNING):
        assert load_secret(tmp_path) == secret
    assert mode_of(tmp_path / "secret") == 0o600
    assert f"mode {mode:o}" in caplog.text and secret.decode() not in caplog.text


def test_an_operators_own_secret_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("a long passphrase of the operator's own\n")
    path.chmod(0o600)
    assert load_secret(tmp_path) == b"a long passphrase of the operator's own"


@pytest.mark.parametrize("content", ["", "\n", "x" * 31])
def test_a_damaged_file_stops_the_start(tmp_path: Path, content: str) -> None:
    (tmp_path / "secret").write_text(content)
    with pytest.raises(StartupError, match="is damaged"):
        load_secret(tmp_path)
    assert (tmp_path / "secret").read_text() == content


def test_a_secret_that_cannot_be_read_or_made_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="cannot be read or made: No such file"):
        load_secret(tmp_path / "nowhere")
    (tmp_path / "secret").mkdir()
    with pytest.raises(StartupError, match="cannot be read or made: Is a directory"):
        load_secret(tmp_path)
