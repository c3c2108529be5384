"""One process holds a data folder; looking whether it is held does not stand in anybody's way."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from ingestbox.errors import StartupError
from ingestbox.store.lock import DataLock, Holder, is_held, read_holder


def test_a_folder_has_one_holder(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    lock = DataLock.take(tmp_path)
    lock.say("http://127.0.0.1:1234")
    assert is_held(tmp_path)
    assert read_holder(tmp_path) == Holder(os.getpid(), "http://127.0.0.1:1234")
    with pytest.raises(StartupError, match=rf"process {os.getpid()} \(http://127.0.0.1:1234\)"):
        DataLock.take(tmp_path)
    lock.release()
    assert not is_held(tmp_path)
    assert read_holder(tmp_path) is None
    DataLock.take(tmp_path).release()


def test_looking_never_refuses_a_start(tmp_path: Path) -> None:
    DataLock.take(tmp_path).release()
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.001):  # often, but not so often that it holds the lock most of the time
            is_held(tmp_path)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for _ in range(300):
            DataLock.take(tmp_path).release()
    finally:
        done.set()
        watcher.join()
