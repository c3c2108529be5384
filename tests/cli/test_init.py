"""`ingestbox init`: the file that it writes is true, and nobody else's business."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import get_type_hints

import msgspec
import pytest

from ingestbox.config import GROUPS, LISTS, Settings, describe, load, sections
from ingestbox.config.template import EXAMPLES, template, toml
from tests.cli.support import ingestbox

SETTING = re.compile(r"^#(?=[\w\[])", re.MULTILINE)


def loaded(folder: Path, text: str) -> Settings:
    file = folder / "ingestbox.toml"
    file.write_text(text)
    return load(environ={}, file=file).settings


def test_the_file_as_written_sets_nothing(tmp_path: Path) -> None:
    found = load(environ={}, file=written(tmp_path))
    assert found.settings == Settings()
    heads = {".".join(map(str, path)) for path in found.origins}
    assert heads <= {*sections(), *GROUPS}  # heads of sections alone


def written(folder: Path) -> Path:
    assert ingestbox("init", cwd=folder).code == 0
    return folder / "ingestbox.toml"


def test_uncommented_it_says_every_default(tmp_path: Path) -> None:
    text = SETTING.sub("", written(tmp_path).read_text("utf-8"))
    found = loaded(tmp_path, text)
    assert msgspec.structs.replace(found, lanes=[], issuers=[]) == Settings()
    for name, kind in LISTS.items():
        (entry,) = getattr(found, name)
        for field in msgspec.structs.fields(kind):
            made = field.default_factory is not msgspec.NODEFAULT
            default = field.default_factory() if made else field.default
            value = getattr(entry, field.name)
            assert value == EXAMPLES[name].get(field.name, default), f"[[{name}]] {field.name}"


def test_it_has_every_setting_with_its_sentence() -> None:
    text = " ".join(template().replace("\n# ", " ").split())
    every: dict[str, type[msgspec.Struct]] = {"": Settings, **sections(), **LISTS}
    for name, kind in every.items():
        hints = get_type_hints(kind, include_extras=True)
        for field in msgspec.structs.fields(kind):
            if name or field.name not in {**sections(), **GROUPS, **LISTS}:
                assert f"#{field.name} = " in text, f"[{name}] {field.name}"
                assert " ".join(describe(hints[field.name]).split()) in text, f"[{name}] {field.name}"
    assert max(map(len, template().splitlines())) <= 100


def test_one_setting_is_set_by_taking_one_character_away(tmp_path: Path) -> None:
    text = template().replace("\n#port = 8000", "\nport = 9000")
    assert loaded(tmp_path, text).server.port == 9000


@pytest.mark.parametrize("value", ['"quoted" and \\', "đường", [1, 2.5, "x"], {"a": ["b"]}, {}, True, 0.5])
def test_values_survive_the_way_through_toml(value: object) -> None:
    import tomllib

    assert tomllib.loads(f"x = {toml(value)}") == {"x": value}


def test_it_is_private_says_what_comes_next_and_is_not_overwritten(tmp_path: Path) -> None:
    ran = ingestbox("init", "--output", "box.toml", cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert "ingestbox check-config --config box.toml" in ran.out
    file = tmp_path / "box.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("mine")
    again = ingestbox("init", "--output", "box.toml", cwd=tmp_path)
    assert (again.code, again.out) == (1, "")
    assert "is there already" in again.err
    assert "--force" in again.err
    assert file.read_text() == "mine"
    file.chmod(0o644)
    assert ingestbox("init", "--output", "box.toml", "--force", cwd=tmp_path).code == 0
    assert file.read_text("utf-8") == template()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["box.toml"]


def test_to_stdout_goes_the_file_alone(tmp_path: Path) -> None:
    ran = ingestbox("init", "--output", "-", cwd=tmp_path)
    assert (ran.code, ran.out, ran.err) == (0, template(), "")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    ran = ingestbox("init", "--output", "no/box.toml", cwd=tmp_path)
    assert ran.code == 1
    assert "mkdir -p no" in ran.err
    assert "Traceback" not in ran.err
    (tmp_path / "dangling").symlink_to("nowhere")
    assert ingestbox("init", "--output", "dangling", cwd=tmp_path).code == 1
    assert not (tmp_path / "nowhere").exists()
