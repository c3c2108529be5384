"""Writes the man page from the commands' own help. Run: make man."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime

import click

from ingestbox import __version__
from ingestbox.cli.commands import cli

WIDTH = 78

FILES = {
    "./ingestbox-data": "The data folder, unless `--data`, INGESTBOX_DATA or the configuration name another.",
    "/etc/ingestbox/ingestbox.toml": "The configuration of the Debian package's service.",
    "/var/lib/ingestbox": "The data folder of the Debian package's service. Its files are the user "
    "ingestbox's: run commands as that user.",
}

EXITS = {
    "0": "All is well.",
    "1": "It failed, or found something wrong.",
    "2": "It was called wrongly.",
    "3": "`serve` could not upgrade the store, and put it back: somebody has to see to it.",
    "130": "It was interrupted.",
}

ENVIRONMENT = {
    "INGESTBOX_CONFIG": "The configuration file, unless `--config` names one.",
    "INGESTBOX_DATA": "The data folder, unless `--data` names one.",
    "INGESTBOX_URL": "The box that `send` sends to.",
    "INGESTBOX_TOKEN": "The token or API key that `send` shows.",
    "INGESTBOX_SECTION_KEY": "Any setting: `port` below [server] is INGESTBOX_SERVER_PORT. With _FILE at "
    "its end it names a file that holds the value.",
    "NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID": "Set by systemd: `serve` says when it is ready, how it is, "
    "and that it is alive.",
}

SIGNALS = {
    "SIGTERM, SIGINT": "`serve` finishes what is in hand and exits with 0; a second one does not wait.",
    "SIGHUP": "`serve` with TLS, or under systemd, reads renewed certificates at once.",
}


def page() -> str:
    """The whole page."""
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "315532800"))
    date = datetime.fromtimestamp(epoch, UTC).date().isoformat()
    context = click.Context(cli, info_name="ingestbox")
    lines = [
        f'.TH INGESTBOX 1 "{date}" "ingestbox {__version__}" "ingestbox"',
        ".SH NAME",
        r"ingestbox \- take records in, never lose one, and forward them",
        ".SH SYNOPSIS",
        ".B ingestbox",
        r"[\fB\-\-help\fR] [\fB\-\-version\fR]",
        r"\fICOMMAND\fR [\fIOPTION\fR...] [\fIARGUMENT\fR...]",
        ".SH DESCRIPTION",
        *prose(cli.help or ""),
        ".SH COMMANDS",
    ]
    for called, command in commands(cli, context):
        lines += one(called, command)
    sections = (("EXIT STATUS", EXITS), ("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES), ("SIGNALS", SIGNALS))
    for title, entries in sections:
        lines.append(f".SH {title}")
        for name, text in entries.items():
            lines += [".TP", f".B {escaped(name)}", *filled(text)]
    lines += [".SH EXAMPLES", *verbatim(cli.epilog or "")]
    lines += [".SH SEE ALSO", ".BR systemctl (1),", ".BR journalctl (1)"]
    return "\n".join(lines) + "\n"


def commands(group: click.Group, context: click.Context) -> Iterator[tuple[click.Context, click.Command]]:
    """Every command that does something, in the order of --help, with what it is called."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        called = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            if command.invoke_without_command:
                yield called, command
            yield from commands(command, called)
        else:
            yield called, command


def one(called: click.Context, command: click.Command) -> Iterator[str]:
    """A command's own part."""
    yield f'.SS "{escaped(called.command_path)}"'
    usage = " ".join(command.collect_usage_pieces(called))
    yield rf"\fB{escaped(called.command_path)}\fR {escaped(usage)}"
    yield ".PP"
    yield from prose(command.help or "")
    for parameter in command.get_params(called):
        record = parameter.get_help_record(called)
        if record is None or record[0] in ("--help", "-h, --help"):
            continue
        yield ".TP"
        yield f".B {escaped(record[0])}"
        yield from filled(record[1])
    if command.epilog:
        yield ".PP"
        yield from verbatim(command.epilog)


def prose(text: str) -> Iterator[str]:
    """Paragraphs, each set anew; one that begins with `\\b` keeps its lines, as on a terminal."""
    first = True
    for paragraph in textwrap.dedent(text).strip().split("\n\n"):
        if not first:
            yield ".PP"
        first = False
        if paragraph.lstrip().startswith("\b"):
            yield from verbatim(paragraph)
        else:
            yield from filled(paragraph)


def filled(text: str) -> list[str]:
    """Lines of words, of which roff makes lines of its own."""
    lines = textwrap.wrap(escaped(text), WIDTH, break_long_words=False, break_on_hyphens=False)
    return [rf"\&{line}" if line.startswith(".") else line for line in lines] or [r"\&"]


def verbatim(text: str) -> Iterator[str]:
    """Lines as they are; what stands alone before them and ends with a colon is their heading."""
    for paragraph in text.replace("\b\n", "").strip("\n").split("\n\n"):
        head, _, rest = paragraph.strip("\n").partition("\n")
        if head.endswith(":") and not head.startswith(" ") and rest:
            yield escaped(head)
        else:
            rest = paragraph.strip("\n")
        yield from (".PP", ".RS 4", ".nf")
        yield from (escaped(line) or r"\&" for line in textwrap.dedent(rest).splitlines())
        yield from (".fi", ".RE")


def escaped(text: str) -> str:
    """Text as roff shows it, also at the beginning of a line."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("^", r"\(ha").replace("~", r"\(ti")
    text = text.replace("`", r"\(ga").replace("'", r"\(aq").replace('"', r"\(dq").replace("…", "...")
    return rf"\&{text}" if text.startswith(".") else text


if __name__ == "__main__":
    sys.stdout.write(page())
