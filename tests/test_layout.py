"""The shape of the source: who may import whom, what a family is made of, what is documented."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from operator import attrgetter
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import msgspec.inspect
import pytest

from ingestbox import config, families
from ingestbox.config import Limits, Settings, describe
from ingestbox.enrich.steps import Steps
from ingestbox.family import Family
from ingestbox.model import Chunk, Outcome, Role
from ingestbox.store import load_queries

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ingestbox"

LEAVES = frozenset(
    {"amounts", "clock", "config", "errors", "family", "ids", "lanewords", "logs", "metrics", "model"}
    | {"outbound", "route", "rules", "sheet", "spreadsheet", "strictjson", "view", "webhooks"}
)
LAYERS: tuple[frozenset[str], ...] = (
    LEAVES,
    frozenset({"enrich", "samples", "tabular"}),
    frozenset({"store"}),
    frozenset({"workqueue"}),
    frozenset({"identity"}),
    frozenset({"families", "forward", "pipeline", "web"}),
    frozenset({"console", "ops"}),
    frozenset({"appliance"}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)
"""A room imports from itself and from earlier layers, never from its neighbours in a layer."""

LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}


@functools.cache
def modules() -> list[tuple[str, ast.Module]]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append((name, ast.parse(path.read_text("utf-8"), str(path))))
    return found


def imported(name: str, tree: ast.Module) -> Iterator[str]:
    """Every module of this package that a module names in an import, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute"
            # `from ingestbox import config` names a room; `from ingestbox.config import load` does too.
            found = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (each for each in found if each.startswith("ingestbox."))


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def rooms_used() -> Iterator[tuple[str, str, str]]:
    for name, tree in modules():
        for target in imported(name, tree):
            if room(target) != "__version__":
                yield name, room(name), room(target)


def test_every_room_has_its_place() -> None:
    unplaced = {room(name) for name, _ in modules()} - set(LEVEL) - {""}
    assert not unplaced, f"say in LAYERS where these belong: {sorted(unplaced)}"


def test_imports_point_one_way() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, source, target in rooms_used()
        if source != target and LEVEL[target] >= LEVEL[source] and not {source, target} <= LEAVES
    ]
    assert not wrong, wrong


def test_the_leaves_import_each_other_without_a_circle() -> None:
    graph: dict[str, set[str]] = {leaf: set() for leaf in LEAVES}
    for _, source, target in rooms_used():
        if source in LEAVES and source != target:
            graph[source].add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {error.args[1]}")


def test_only_the_engine_imports_sqlite() -> None:
    """Anything else could load the system's library before ours is in its place."""
    importers = {
        name
        for name, tree in modules()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Import) and any("sqlite3" in alias.name for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module and "sqlite3" in node.module)
    }
    assert importers == {"ingestbox.store.engine"}


def test_every_module_says_what_it_is() -> None:
    silent = [name for name, tree in modules() if not ast.get_docstring(tree)]
    assert not silent


def modules_loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def in_child(family: Family) -> list[str]:
    """The functions of a family that children are asked for, as `module:function`."""
    return [family.process, *((family.table.plan, family.table.rows) if family.table else ())]


def test_a_child_loads_nothing_of_the_door_or_the_command_line() -> None:
    loaded = modules_loaded_by(
        "import ingestbox.cli, ingestbox.pipeline.child, ingestbox.pipeline.tables; "
        + "; ".join(
            f"import {name.partition(':')[0]}" for f in families.load().values() for name in in_child(f)
        )
    )
    heavy = {"aiosqlite", "asyncio", "click", "huey", "httpx2", "jwt", "rich", "starlette", "uvicorn"}
    assert not loaded & heavy


def test_help_loads_nothing_heavy() -> None:
    loaded = modules_loaded_by("import ingestbox.cli.commands")
    assert not loaded & {"aiosqlite", "huey", "httpx2", "jwt", "rich", "starlette", "uvicorn"}


def test_every_folder_of_a_family_is_in_the_list() -> None:
    folders = {path.parent.name for path in (PACKAGE / "families").glob("*/__init__.py")}
    assert folders == set(families.FAMILIES)


@pytest.fixture(params=families.FAMILIES)
def family(request: pytest.FixtureRequest) -> Family:
    return families.load()[request.param]


def test_a_family_is_called_as_its_folder(family: Family) -> None:
    assert families.FAMILIES.count(family.name) == 1
    assert families.load()[family.name] is family


def test_a_family_processes_chunks_by_a_function_that_can_be_found(family: Family) -> None:
    module, _, name = family.process.partition(":")
    assert module.startswith(f"ingestbox.families.{family.name}.")
    process = getattr(importlib.import_module(module), name)
    takes, steps, gives = get_type_hints(process).values()
    assert (takes, gives) == (Chunk, list[Outcome])
    assert steps in (Steps, object)  # a family that needs none does not load them
    assert process(Chunk(family.name, [])) == []


def test_the_functions_of_a_family_for_files_can_be_found(family: Family) -> None:
    for name in in_child(family)[1:]:
        module, _, function = name.partition(":")
        assert module.startswith(f"ingestbox.families.{family.name}.")
        assert callable(getattr(importlib.import_module(module), function))


def test_a_family_has_the_query_that_puts_each_of_its_kinds(family: Family) -> None:
    queries = load_queries({family.name: family.queries})
    assert family.kinds
    for kind in family.kinds:
        assert f"{family.name}.put_{kind}" in queries


def test_a_familys_routes_can_be_bound(family: Family) -> None:
    assert family.routes
    for route in family.routes:
        where = f"{route.method} {route.path}"
        assert route.path.startswith("/"), where
        assert inspect.iscoroutinefunction(route.handler), where
        assert route.summary, where
        assert set(route.roles) <= set(Role), where
        takes_body = route.method in ("POST", "PUT", "PATCH")
        assert takes_body or route.body_limit is None, where
        if route.body_limit is not None:
            assert route.body_limit in Limits.__struct_fields__, where
            assert route.body_limit.endswith(("_mb", "_kb")), where


def members(shape: Any, path: str) -> Any:
    """The type of what stands under a path of members of a type; elements for a list. Whatever is in an
    object whose members nobody knows before may be of any type."""
    for name in path.split("."):
        inner = there(shape)
        if isinstance(inner, msgspec.inspect.AnyType):
            return inner
        if isinstance(inner, msgspec.inspect.DictType):
            shape = inner.value_type
            continue
        assert isinstance(inner, msgspec.inspect.StructType), (shape, name)
        found = {field.encode_name: field.type for field in inner.fields}
        assert name in found, f"{inner.cls.__name__} has no {name}"
        shape = found[name]
    return shape


def type_info(shape: Any) -> Any:
    while isinstance(shape, msgspec.inspect.Metadata):
        shape = shape.type
    return shape if isinstance(shape, msgspec.inspect.Type) else type_info(msgspec.inspect.type_info(shape))


def there(shape: Any) -> Any:
    """A type without that it may be null or left out."""
    inner = type_info(shape)
    while isinstance(inner, msgspec.inspect.UnionType):
        some = map(type_info, inner.types)
        (inner,) = [each for each in some if not isinstance(each, msgspec.inspect.NoneType)]
    return inner


def lines(shape: Any, named: str) -> Any:
    """The type of a row of a list, or of an object whose members are rows called `named`; None for plain
    values."""
    inner = there(shape)
    if isinstance(inner, msgspec.inspect.AnyType):
        return inner
    if named:
        assert isinstance(inner, msgspec.inspect.DictType), inner
        inner = type_info(inner.value_type)
        return inner if isinstance(inner, msgspec.inspect.StructType) else None
    return element(inner)


def element(shape: Any) -> Any:
    inner = there(shape)
    assert isinstance(inner, msgspec.inspect.ListType), inner
    return inner.item_type


def answer_of(family: Family, path: str) -> tuple[Any, set[str]]:
    """The documented answer of a GET of a family, and the names of its parameters."""
    (route,) = [
        each for each in family.routes if (each.method, each.path.replace(":path", "")) == ("GET", path)
    ]
    return route.answers[0].type, {each.name for each in route.parameters}


def test_a_view_shows_and_asks_what_its_routes_document(family: Family) -> None:
    """A column, filter, facet, figure or chart that the API has not would show nothing, or be refused."""
    for view in family.views:
        answer, parameters = answer_of(family, view.path)
        assert answer is view.type
        row = element(members(view.type, view.items))
        members(view.type, "next_cursor"), members(row, view.key)
        if view.total:
            members(view.type, view.total)
        for column in view.columns:
            members(row, column.member)
            assert column.filters in {"", *(each.parameter for each in view.filters)}, column
            assert bool(column.words) == (column.kind in ("badge", "language")), column
        asked = {each.parameter for each in view.filters}
        words = {view.search, view.everybody} - {""}
        assert asked | words | set(view.whole) | {"limit", "cursor"} <= parameters, view.name
        item, with_ = answer_of(family, view.item.path)
        assert item is view.item.type
        if view.item.inside:
            item = members(item, view.item.inside)
        assert set(view.item.with_) <= with_
        named = (*view.item.title, view.item.record, view.item.job, view.item.called, view.item.rest)
        for name in (
            *named,
            *(each.member for each in view.item.facts),
            *(each.member for each in view.item.texts),
            *view.item.with_,
        ):
            if name:
                members(item, name)
        spans, said = view.item.spans, view.item.said
        if spans is not None:
            each_span = element(members(item, spans.items))
            for name in (spans.field, spans.start, spans.end, spans.text, spans.label, *spans.sets.values()):
                if name:
                    members(each_span, name)
            assert spans.field or len(view.item.texts) == 1
            assert spans.sets or view.finder
            assert set(spans.sets) <= asked
        if said is not None:
            fact = element(members(item, said.items))
            for name in (said.field, said.number, *(each.member for each in said.columns)):
                members(fact, name)
        for each in view.item.listed:
            line = lines(members(item, each.items), each.named)
            for name in {column.member for column in each.columns} - {each.named, each.value}:
                members(line, name)
            assert not each.opens or members(line, each.opens)
        if view.item.passages is not None:
            passage = element(members(item, view.item.passages.items))
            members(item, view.item.passages.text)
            members(passage, view.item.passages.start), members(passage, view.item.passages.end)
        for lead in view.item.leads:
            (other,) = [each for each in family.views if each.name == lead.view]
            assert set(lead.sets) <= {each.parameter for each in other.filters}
            for name in lead.sets.values():
                members(item, name)
        for facet in view.facets:
            assert set(facet.sets) <= asked
            if not facet.path:
                assert facet.words
                assert set(facet.sets.values()) == {""}
                continue
            counts, takes = answer_of(family, facet.path)
            assert set(facet.passes) | ({"limit"} if facet.limit else set()) <= takes
            assert set(facet.passes.values()) <= asked
            value = element(members(counts, facet.items))
            for name in (facet.value, facet.count, *facet.sets.values(), *filter(None, [facet.note])):
                members(value, name)
        for figure in view.figures:
            numbers, takes = answer_of(family, figure.path)
            assert set(figure.passes) <= takes
            assert set(figure.passes.values()) | set(figure.sets) <= asked
            for name in filter(None, (figure.member, figure.change)):
                members(numbers, name)
        for chart in view.charts:
            points, takes = answer_of(family, chart.path)
            assert set(chart.passes) <= takes
            assert set(chart.passes.values()) <= asked
            point = element(members(points, chart.items))
            for name in (chart.at, *(each.member for each in chart.series)):
                members(point, name)


def test_what_a_view_finds_and_edits_is_what_its_routes_document(family: Family) -> None:
    """A filter, a field of a form or a fact that the API has not would be refused, or show nothing."""
    for view in family.views:
        if (finder := view.finder) is not None:
            body, answer, _ = takes(family, "POST", finder.path)
            assert answer is finder.type
            members(body, finder.asks), members(body, finder.most)
            for each in finder.filters:
                members(members(body, finder.narrowed), each.parameter)
            found = element(members(answer, finder.items))
            members(element(members(found, finder.marks)), "start")
            for name in (view.key, finder.heading, finder.snippet, finder.place):
                members(found, name)
            for column in (*finder.facts, *finder.fine):
                members(found, column.member)
        if (editor := view.editor) is not None:
            new, made, _ = takes(family, "POST", editor.path)
            change, _, _ = takes(family, editor.method, editor.one)
            takes(family, "DELETE", editor.one)
            members(made, editor.made)
            for field in editor.fields:
                members(new, field.member)
                assert field.fixed or members(change, field.member)
                assert bool(field.choices) == (field.kind == "choice")
            if (trial := editor.trial) is not None:
                body, answer, _ = takes(family, "POST", trial.path)
                assert answer is trial.type
                for field in editor.fields:
                    assert field.member in trial.leaves or members(members(body, trial.wrap), field.member)
                for column in trial.columns:
                    members(answer, column.member)
                element(members(answer, trial.advice))
                line = lines(members(answer, trial.items), trial.named)
                for name in {column.member for column in trial.listed} - {trial.named}:
                    members(line, name)


def takes(family: Family, method: str, path: str) -> tuple[Any, Any, set[str]]:
    """The body and the answer of a call of a family as they are documented, and its parameters' names."""
    routes = {(str(each.method), each.path.replace(":path", "")): each for each in family.routes}
    route = routes[method, path]
    return route.body, route.answers[0].type, {each.name for each in route.parameters}


def test_a_grid_shows_asks_and_does_what_its_routes_document(family: Family) -> None:
    """As for a view; and what a page changes is a member of what the call takes."""
    grids = {grid.name: grid for grid in family.grids}
    for grid in grids.values():
        answer, parameters = answer_of(family, grid.path)
        assert answer is grid.type
        line = element(members(grid.type, grid.items))
        members(grid.type, "next_cursor")
        rows = grid.rows
        whole, asked = answer_of(family, rows.path)
        assert whole is rows.type
        head = members(whole, grid.head) if grid.head else whole
        told = [grid.label, *(each.member for each in grid.switches), *filter(None, (grid.job, grid.filter))]
        told += grid.share or ()
        for name in (grid.key, *told):
            members(line, name), members(head, name)
        for column in grid.facts:
            members(line, column.member)
            assert bool(column.words) == (column.kind in ("badge", "language")), column
        for name in (rows.records, rows.results, rows.fields, "next_cursor", *filter(None, (rows.places,))):
            members(whole, name)
        result = element(members(whole, rows.results))
        for column in rows.columns:
            members(result, column.member)
            assert bool(column.words) == (column.kind in ("badge", "language")), column
        also = {grid.everybody} - {""}
        assert {"limit", "cursor"} | also <= parameters
        assert {"limit", "cursor"} | also | set(grid.with_) <= asked
        for name in grid.with_.values():
            members(line, name)
        filters = {"filter"} if rows.narrowed else set()
        assert filters <= asked
        if rows.narrowed:
            members(whole, "total"), members(whole, "total_is")
        for path in rows.files.values():
            assert {"columns"} | filters | also | set(grid.with_) <= takes(family, "GET", path)[2], path
        if grid.part is not None:
            assert grid.part.of in grids
            members(line, grid.part.member), members(head, grid.part.member)
            assert {grid.part.asks} - {""} <= parameters
        if grid.remove:
            assert also <= takes(family, "DELETE", grid.remove)[2]
        if grid.change:
            body, _, given = takes(family, "PATCH", grid.change)
            for name in (grid.label, *(each.member for each in grid.switches)):
                members(body, name)
            assert also <= given
        if grid.save is not None:
            body, made, given = takes(family, "POST", grid.save.path)
            for name in ("name", "filter", *(each.member for each in grid.save.switches)):
                members(body, name)
            members(made, grid.save.key)
            assert grid.save.into in grids
            assert also <= given
        assert not grid.kind or grid.kind in family.kinds


def test_views_of_all_families_have_names_of_their_own() -> None:
    names = [view.name for each in families.load().values() for view in each.shown]
    assert len(names) == len(set(names))


def test_a_family_has_tests_of_its_own(family: Family) -> None:
    assert list((ROOT / "tests" / "families" / family.name).glob("test_*.py"))


def settings_structs() -> dict[str, type[msgspec.Struct]]:
    return {"": Settings, **config.sections(), **config.LISTS}


def test_every_setting_has_a_sentence_and_a_default() -> None:
    for section, struct in settings_structs().items():
        assert struct.__doc__, section
        hints = get_type_hints(struct, include_extras=True)
        for field in msgspec.structs.fields(struct):
            if section == "" and (field.name in config.sections() or field.name in config.GROUPS):
                continue
            name = f"[{section}] {field.name}"
            assert describe(hints[field.name]).endswith("."), f"{name} needs a sentence"
            assert not field.required or section in config.LISTS, f"{name} needs a default"


def test_every_setting_can_come_from_the_environment() -> None:
    for section, struct in config.sections().items():
        for field in msgspec.structs.fields(struct):
            variable = f"INGESTBOX_{section.replace('.', '_')}_{field.name}".upper()
            default = getattr(struct(), field.name)
            text = ",".join(default) if isinstance(default, list) else str(default)
            loaded = config.load(environ={variable: text})
            assert not loaded.warnings, variable
            assert attrgetter(f"{section}.{field.name}")(loaded.settings) == default, variable


def test_the_page_of_settings_is_the_one_that_make_docs_writes() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert page.endswith("`make docs`. -->\n\n" + config.reference()), "run: make docs"


def test_the_box_itself_does_not_load_what_only_children_need() -> None:
    """The tables of the built-in steps would take it 8 MB more, and a fifth of its start."""
    program = "import sys\nimport ingestbox.appliance, ingestbox.cli.serve\n"
    program += "from ingestbox import families\nfrom ingestbox.enrich.steps import MODULES\n"
    program += "families.load()\nprint(*sys.modules.keys() & set(MODULES.values()))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not done.stdout.strip()


def locked(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([^ \n]+)", (ROOT / name).read_text("utf-8"), re.MULTILINE))


def test_the_lock_files_agree_and_have_hashes_for_all() -> None:
    runtime, development = locked("requirements.lock"), locked("requirements-dev.lock")
    build = locked("requirements-build.lock")
    assert {"starlette", "uvicorn", "huey", "aiosqlite", "setuptools"} <= set(runtime)
    assert {name: development.get(name) for name in runtime} == runtime, "run: make lock"
    assert {name: build.get(name) for name in runtime} == runtime, "run: make lock"
    assert {name: development.get(name) for name in build} == build, "run: make lock"
    for name in ("requirements.lock", "requirements-build.lock", "requirements-dev.lock"):
        entries = re.split(r"\n(?=\w)", (ROOT / name).read_text("utf-8"))
        assert all("--hash=sha256:" in entry for entry in entries)
        assert not re.search(r"https?://|^--|index-url|find-links", "\n".join(entries), re.MULTILINE)
