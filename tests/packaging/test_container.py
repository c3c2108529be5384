"""The Containerfile is not built in tests; what it says has to fit the program, and the rules for images."""

from __future__ import annotations

import json
import re
import shlex

import click
import pytest

from ingestbox.cli.commands import cli
from ingestbox.config import Server
from tests.packaging.support import ROOT

Instruction = tuple[str, str]


def stages() -> list[list[Instruction]]:
    """The instructions, stage by stage, each as its name and the rest of its line."""
    text = (ROOT / "packaging" / "Containerfile").read_text()
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    found: list[list[Instruction]] = []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if line.strip():
            name, _, rest = line.partition(" ")
            if name == "FROM":
                found.append([])
            found[-1].append((name, rest.strip()))
    return found


def last(name: str) -> str:
    """The one instruction of this name in the stage that becomes the image."""
    (rest,) = [rest for each, rest in stages()[-1] if each == name]
    return rest


def words(listed: str) -> list[str]:
    """The words of the form that no shell takes apart."""
    found = json.loads(listed)
    assert isinstance(found, list) and all(isinstance(each, str) for each in found)
    return found


def test_it_begins_with_a_system_of_a_named_version() -> None:
    for stage in stages():
        image = stage[0][1].split()[0]
        assert re.fullmatch(r"debian:[a-z]+-slim", image), image
    assert len({stage[0][1].split()[0] for stage in stages()}) == 1


def test_it_is_nobody_in_particular_and_not_root() -> None:
    user = last("USER")
    assert re.fullmatch(r"([1-9]\d{3,}):\1", user), (
        "an orchestrator knows by a number alone that it is not root"
    )
    names = [name for name, _ in stages()[-1]]
    assert "RUN" not in names[names.index("USER") :]
    (made,) = [rest for name, rest in stages()[-1] if name == "RUN"]
    uid, gid = user.split(":")
    volume = last("VOLUME")
    assert f"--mode=0700 --owner={uid} --group={gid} {volume}" in made


def test_what_it_runs_the_program_knows() -> None:
    (program,) = words(last("ENTRYPOINT"))
    assert program == "ingestbox"
    arguments = words(last("CMD"))
    name, command, rest = cli.resolve_command(click.Context(cli), arguments)
    assert (name, rest) == ("serve", [])
    options, form = last("HEALTHCHECK").split(" CMD ")
    program, *arguments = words(form)
    _, command, rest = cli.resolve_command(click.Context(cli), arguments)
    assert command is not None
    given = dict(each.removeprefix("--").split("=") for each in options.split())
    context = command.make_context("probe", rest)
    assert float(given["timeout"].removesuffix("s")) > context.params["timeout"], (
        "the command says why, not the engine"
    )
    assert "start-period" in given
    assert last("STOPSIGNAL") == "SIGTERM"


def test_where_it_listens_and_writes() -> None:
    environ = dict(each.split("=", 1) for each in shlex.split(last("ENV")))
    assert environ["INGESTBOX_DATA"] == last("VOLUME") == last("WORKDIR") == "/var/lib/ingestbox"
    assert environ["INGESTBOX_SERVER_HOST"] == "0.0.0.0"
    assert last("EXPOSE") == str(Server().port)


@pytest.mark.parametrize("stage", stages(), ids=lambda stage: stage[0][1])
def test_each_stage_brings_only_what_was_built(stage: list[Instruction]) -> None:
    given = {rest.partition("=")[0] for name, rest in stage if name == "ARG"}
    used = {each for name, rest in stage for each in re.findall(r"\$\{(\w+)\}", rest)}
    assert used <= given
    for name, rest in stage:
        assert "://" not in rest
        if name == "ADD":
            assert rest == "ingestbox-${VERSION}-linux-${ARCH}.tar.xz /"
        if name == "RUN":
            assert not re.search(r"\b(apt|apt-get|curl|wget|sudo|pip)\b", rest)
