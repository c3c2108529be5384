"""A disk of our own, in a file: an ext4 that can lose its power, fail, or be full."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

from tests.faults.privileged.tools import need, need_root, run
from tests.harness import until

EXT4_IOC_SHUTDOWN = 0x8004587D
"""`_IOR('X', 125, __u32)`, from the kernel's fs/ext4/ext4.h."""

LOGFLUSH, NOLOGFLUSH = 1, 2
"""What the file system's own journal does at that moment: it is written out, or lost as it is."""


class Disk:
    """A loop device with ext4, mounted at `path`."""

    def __init__(self, folder: Path, *, megabytes: int, options: str = "defaults") -> None:
        """Makes the image, the device and the file system, and mounts it; nothing is reserved for root."""
        need_root()
        need("losetup", "mkfs.ext4", "mount", "umount", "e2fsck")
        folder.mkdir(parents=True, exist_ok=True)
        image = folder / "image"
        with image.open("wb") as file:
            file.truncate(megabytes * 1_048_576)
        self.path = folder / "disk"
        self.path.mkdir()
        self._options = options
        self.device = run("losetup", "--find", "--show", str(image)).stdout.strip()
        self._mounted = False
        try:
            run("mkfs.ext4", "-q", "-F", "-m", "0", self.device)
            self.mount()
        except BaseException:
            self.close()
            raise

    def mount(self) -> None:
        """Mounts it; ext4 replays its journal, as after a power loss."""
        run("mount", "-t", "ext4", "-o", self._options, self.device, str(self.path))
        self._mounted = True

    def unmount(self) -> None:
        """Unmounts it, once nobody has files open there."""
        until(
            lambda: run("umount", str(self.path), may_fail=True).returncode == 0,
            "the disk can be unmounted",
        )
        self._mounted = False

    def repair(self) -> None:
        """`e2fsck` of the unmounted disk, as after an error; its journal is replayed first."""
        done = run("e2fsck", "-f", "-y", self.device, may_fail=True)
        assert done.returncode in (0, 1), done.stdout + done.stderr  # 1: errors were corrected

    def cut_power(self, flag: int) -> None:
        """From this moment nothing more reaches the disk: what was not synced is lost, all I/O fails."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", flag))
        finally:
            os.close(descriptor)

    def break_file_system(self) -> None:
        """Makes the kernel find an error: with `errors=remount-ro` the disk is read-only from now on."""
        name = Path(self.device).name
        Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("fault test\n")

    def free(self) -> int:
        """Free bytes."""
        stat = os.statvfs(self.path)
        return stat.f_bavail * stat.f_frsize

    def close(self) -> None:
        """Takes it all down."""
        if self._mounted:
            self.unmount()
        run("losetup", "--detach", self.device, may_fail=True)
