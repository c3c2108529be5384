"""What the pages for operators are read with: their fenced blocks, a shell that types their commands, and a
certificate for the names in them."""

from __future__ import annotations

import datetime
import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests import program
from tests.harness import PATIENCE

ROOT = Path(__file__).parents[2]

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

_FILE = re.compile(r"\A(?:#!.*\n)?# (/?[\w./-]+)$", re.MULTILINE)


def blocks(text: str) -> list[tuple[str, str]]:
    """The fenced blocks of a page, in order: the language of each, and what is in it."""
    return [(kind, body) for kind, body in BLOCK.findall(text)]


def alike(shown: object, real: object) -> bool:
    """Whether an answer is the one shown; `…` stands for any text."""
    if isinstance(shown, dict) and isinstance(real, dict):
        return shown.keys() == real.keys() and all(alike(shown[key], real[key]) for key in shown)
    if isinstance(shown, list) and isinstance(real, list):
        return len(shown) == len(real) and all(map(alike, shown, real))
    if isinstance(shown, str) and isinstance(real, str) and "…" in shown:
        pattern = ".+".join(map(re.escape, shown.split("…")))
        return re.fullmatch(pattern, real) is not None
    return shown == real


class Page:
    """A page of `docs/`. A block whose first line is a comment with a path is that file: `# /etc/x.conf`."""

    def __init__(self, name: str) -> None:
        self.text = (ROOT / "docs" / name).read_text("utf-8")
        self.blocks = blocks(self.text)

    def of(self, kind: str) -> list[str]:
        """The blocks of one language."""
        return [body for found, body in self.blocks if found == kind]

    def commands(self) -> list[str]:
        """What is typed, block by block."""
        return self.of("sh")

    def file(self, path: str, *, number: int = 0) -> str:
        """What the page says is in a file; `number` counts where it says so more than once."""
        found = [body for _, body in self.blocks if (named := _FILE.match(body)) and named[1] == path]
        assert len(found) > number, f"the page has no block that begins with `# {path}`"
        return found[number]


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """The text with ports, addresses and folders of a test; each that is to be replaced is there."""
    for old, new in changes.items():
        assert old in text, f"`{old}` is not in:\n{text}"
        text = text.replace(old, new)
    return text


class Shell:
    """Somebody who types commands in a folder, one after the other; variables stay.

    `ingestbox` is the program that is tested. curl finds the addresses of `at` at other ports of this machine
    (`{"ingest.example.com:443": 4711}`), and trusts `trusted`, so that commands run as they are printed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        environ: Mapping[str, str] | None = None,
        at: Mapping[str, int] | None = None,
        trusted: Path | None = None,
        places: Mapping[str, Path] | None = None,
    ) -> None:
        """`places` are folders of the system (`/etc/ingestbox`) and those that stand for them."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._places = dict(places or {})
        self._kept = folder / ".variables"
        home, programs = folder / ".home", folder / ".programs"
        home.mkdir()
        programs.mkdir()
        self._programs = programs
        self.program("ingestbox", program.command())
        lines = [f'connect-to = "{name}:127.0.0.1:{port}"' for name, port in (at or {}).items()]
        lines += [f'cacert = "{trusted}"'] if trusted else []
        (home / ".curlrc").write_text("\n".join([*lines, "silent", "show-error", f"max-time = {PATIENCE:g}"]))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("INGESTBOX_")}
        path = f"{programs}:{kept.get('PATH', '')}:/usr/sbin:/sbin"
        self.environ = {
            **kept,
            "HOME": str(home),
            "CURL_HOME": str(home),
            "PATH": path,
            "PYTHONPATH": str(ROOT),
            "NO_PROXY": "*",
            "no_proxy": "*",
            **(environ or {}),
        }

    def program(self, name: str, command: Sequence[str], *after: str) -> None:
        """Has a name mean this command; what is typed after the name goes between it and `after`."""
        wrapper = self._programs / name
        wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@" {shlex.join(after)}\n')
        wrapper.chmod(0o755)

    def put(self, path: str, text: str, mode: int = 0o644) -> Path:
        """Writes a file of the page where its folder is."""
        file = Path(self._placed(path))
        file = file if file.is_absolute() else self.folder / file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self._placed(text), "utf-8")
        file.chmod(mode)
        return file

    def type(self, command: str, *, codes: Sequence[int] = (0,)) -> str:
        """Runs a command after all those before it, whose variables it may use; what it prints."""
        restore = f"source {self._kept}; " if self._kept.exists() else ""
        done = subprocess.run(
            [
                "bash",
                "-euo",
                "pipefail",
                "-c",
                f"set -a; {restore}\n{self._placed(command)}\nexport -p > {self._kept}",
            ],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )
        assert done.returncode in codes, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _placed(self, text: str) -> str:
        if not self._places:
            return text
        names = "|".join(re.escape(name) for name in sorted(self._places, key=len, reverse=True))
        # Only where a path begins: what stands for a folder may end as that does.
        return re.sub(rf"(?<![\w./-])({names})(?![\w-])", lambda found: str(self._places[found[1]]), text)


def certificate(folder: Path, *names: str) -> tuple[Path, Path]:
    """A certificate for these names, signed by itself, and its key."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert, secret = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    secret.chmod(0o600)
    return cert, secret
