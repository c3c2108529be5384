"""How what a family has is shown at the console, as data: so that a family brings its pages with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from ingestbox.model import Role

FormKind = Literal["fields", "email", "choose", "existing", "raw", "record", "refused"]
"""What a person is asked for: `fields` are filled in; of an `email` what is wrong is shown, and what it may
have been meant to be; `choose` is among rows that repeat each other; `existing` is between a row and what
exists under its key; `raw` shows what could not be read, beside the fields to fill in; `record` has every
member of the record."""


class Existing(msgspec.Struct, frozen=True):
    """Where the object is found that has a row's key already: the answer to GET `path`, asked with
    `parameter` as the row's `field`, has under `items` those that have it; `members` gives the member of such
    an object for a field of the row, and `owner` the one that says whose it is."""

    path: str
    parameter: str
    field: str
    items: str
    members: Mapping[str, str]
    owner: str


class Form(msgspec.Struct, frozen=True):
    """How a person repairs a record that has an issue with some code. `fields` come first, whether the record
    has them or not; with `columns` those of the file come before them, where a row of it could not be read.
    `existing` goes with the kind of this name."""

    kind: FormKind
    fields: tuple[str, ...] = ()
    existing: Existing | None = None
    columns: bool = False


OTHERS = "*"
"""Stands for the codes that have no form of their own, in `Family.forms`."""


ColumnKind = Literal[
    "text",
    "email",
    "time",
    "number",
    "share",
    "bar",
    "rate",
    "seconds",
    "badge",
    "language",
    "list",
    "link",
    "row",
    "count",
]
"""How a value looks: `badge` is one of a few words, a `share` is from 0 to 1 and so is a `bar`, which is
drawn too, a `rate` from -1 to 1, a `list` has several, and of a `count` it is told how many. A `row` is
`<job>/<place>` of a record of a job. A `link` is an address elsewhere: it can be followed if it is one of the
web's (http, https)."""

FilterKind = Literal["choice", "date", "text", "number", "share"]

Look = Literal["good", "busy", "waits", "bad", "quiet"]
"""The colours of a badge."""


class Word(msgspec.Struct, frozen=True):
    """One of a few values: what the API calls it, what people do, and how it looks."""

    value: str
    label: str
    look: Look = "quiet"


class Column(msgspec.Struct, frozen=True):
    """A column of a table: a member of its rows.

    `words` are those of a badge or language. `filters` is the parameter of the list by which a click on a
    value leaves what has the same. What is not `shown` can be added; `everybody` is shown only to who looks
    at what others made too.
    """

    member: str
    label: str
    kind: ColumnKind = "text"
    shown: bool = True
    words: tuple[Word, ...] = ()
    filters: str = ""
    everybody: bool = False


class Filter(msgspec.Struct, frozen=True):
    """A parameter of the list, as people fill it in; `choices` are those of its kind. One that is `hidden` is
    set by facets and links alone."""

    parameter: str
    label: str
    kind: FilterKind = "text"
    choices: tuple[Word, ...] = ()
    hidden: bool = False


class Facet(msgspec.Struct, frozen=True):
    """Values by which a list can be narrowed, each with how many it has.

    Without a `path` they are `words`, counted by the list itself, with its other filters. Otherwise GET
    `path` has them under `items`: a list, whose elements have a `value` and a `count`. `sets` gives, for each
    parameter of the list that choosing one sets, the element's member (or '', for a word). `passes` gives,
    for parameters of `path`, the parameter of the list that it is asked with; `limit` is how many it is asked
    for. `note` is the member that is shown beside the value, as one of the `words`. One that is `own` counts
    the caller's own alone, and is not there where others' are listed.
    """

    label: str
    sets: Mapping[str, str]
    words: tuple[Word, ...] = ()
    path: str = ""
    items: str = ""
    value: str = ""
    count: str = "count"
    note: str = ""
    passes: Mapping[str, str] = {}
    limit: int = 0
    own: bool = False


class Series(msgspec.Struct, frozen=True):
    """A line or the bars of a chart: a member of its points; `color` is a variable of the theme."""

    member: str
    label: str
    color: str


class Chart(msgspec.Struct, frozen=True):
    """Points over days: GET `path` has them under `items`, each with its day as `at`. `usual` says which days
    they are of unless one of `passes` is given."""

    label: str
    path: str
    items: str
    at: str
    series: tuple[Series, ...]
    kind: Literal["line", "bars", "stacked"] = "stacked"
    passes: Mapping[str, str] = {}
    usual: str = ""


class Figure(msgspec.Struct, frozen=True):
    """A number above a table: the `member` of what GET `path` answers, and the one of its `change`. `sets`
    are parameters of the list, and their values, to which it leads. The change of a `share` (0 to 1) is in
    percentage points; a `rate` is from -1 to 1. `usual` is as that of a chart."""

    label: str
    path: str
    member: str
    change: str = ""
    kind: Literal["number", "share", "rate"] = "number"
    passes: Mapping[str, str] = {}
    sets: Mapping[str, str] = {}
    usual: str = ""


class Spans(msgspec.Struct, frozen=True):
    """Where an object's texts name something: under `items`, elements with a `field` (if that is '' they are
    all of its only text), `start`, `end` (in code points), `text` and `label`. `sets` is as that of a facet;
    without it they lead to a search, if the view has a `finder`. What has no place is named all the same."""

    items: str
    field: str
    start: str
    end: str
    text: str
    label: str
    sets: Mapping[str, str] = {}


class Said(msgspec.Struct, frozen=True):
    """What was found out about each text of an object: under `items`, elements with a `field` and, of one in
    a list, its `number` from 1; `columns` are shown beside the text."""

    items: str
    field: str
    number: str
    columns: tuple[Column, ...]


class Texts(msgspec.Struct, frozen=True):
    """A text of an object (or, with `many`, a list of them) that is shown whole; `field` is what `Spans` and
    `Said` call it."""

    member: str
    label: str
    field: str
    many: bool = False


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """Things that belong to an object, as a table of their own: under `items` a list, or an object, whose
    members' names its rows have under `named`, in that order, and whose members that are no objects they have
    under `value`. `opens` is the member that has the key of another object of the view. A column that is not
    `shown` is left out where it is empty. `none` is what is said where there are no rows; without it nothing
    is."""

    items: str
    label: str
    columns: tuple[Column, ...]
    lead: str = ""
    named: str = ""
    value: str = ""
    opens: str = ""
    none: str = ""


class Passages(msgspec.Struct, frozen=True):
    """Parts of the text `text` of an object: under `items` elements with `start` and `end` (code points)."""

    items: str
    text: str
    label: str
    lead: str = ""
    start: str = "start"
    end: str = "end"


class Lead(msgspec.Struct, frozen=True):
    """What is listed in another view because of an object: `sets` gives, for parameters of that view's list,
    members of the object."""

    label: str
    view: str
    sets: Mapping[str, str]


class Item(msgspec.Struct, frozen=True):
    """The page of one object: what GET `path` answers (or what it has under `inside`), where the view's `key`
    stands in for the placeholder.

    `with_` gives parameters of `path`, and the member of a row that each is asked with. `title` is the member
    that heads the page. `facts` are shown as they are; so is every member of the object `rest`. `record` is
    the member with the id of its record, `job` that with the public id of its job; `of_record` is the key of
    what a record became, where its id stands in for `{record}`. `noun` is what the trail
    calls such an object, and `called` the member with the id that it uses.
    """

    path: str
    type: Any
    title: tuple[str, ...]
    facts: tuple[Column, ...]
    inside: str = ""
    texts: tuple[Texts, ...] = ()
    spans: Spans | None = None
    said: Said | None = None
    listed: tuple[Listed, ...] = ()
    passages: Passages | None = None
    leads: tuple[Lead, ...] = ()
    rest: str = ""
    with_: Mapping[str, str] = {}
    record: str = ""
    job: str = ""
    of_record: str = ""
    noun: str = ""
    called: str = ""


class Finder(msgspec.Struct, frozen=True, kw_only=True):
    """A search that finds parts of objects, the best first: POST `path` takes the words as `asks`, how many
    as `most`, and under `narrowed` those of `filters` that are filled in. It answers with a `type` that has
    what it found under `items`: each with the view's key, a `heading`, a `snippet` of plain text, in which
    `marks` are the places of what was looked for (each a `start` and an `end`, in code points), and
    the `place` of the passage in its object, from 0. `facts` are shown beside each, and `fine`, how it was
    found, in small print.
    """

    path: str
    type: Any
    title: str
    lead: str
    hint: str
    asks: str
    most: str
    narrowed: str
    items: str
    heading: str
    snippet: str
    marks: str
    place: str
    facts: tuple[Column, ...] = ()
    fine: tuple[Column, ...] = ()
    filters: tuple[Filter, ...] = ()


FieldKind = Literal["text", "url", "number", "choice", "lines", "switch"]
"""How a field is filled in: of `lines` each is an element of a list."""


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a form: the `member` of the body that it fills in (`a.b`: the member `b` of the object `a`),
    and of an object the member that it stands in, unless it is called the same. One that is `fixed` can only
    be given where the object is made."""

    member: str
    label: str
    kind: FieldKind = "text"
    help: str = ""
    example: str = ""
    choices: tuple[Word, ...] = ()
    required: bool = False
    fixed: bool = False
    most: int = 500


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A call that tries what a form says without keeping it: POST `path` takes the form under `wrap`, but for
    the fields that it `leaves` out. It answers with a `type` that has `columns`, and sentences that advise
    under `advice`; `listed`, `items` and `named` are as the columns, items and names of a `Listed`."""

    path: str
    wrap: str
    type: Any
    label: str
    help: str
    columns: tuple[Column, ...]
    advice: str
    leaves: tuple[str, ...] = ()
    listed: tuple[Column, ...] = ()
    items: str = ""
    named: str = ""


class Editor(msgspec.Struct, frozen=True, kw_only=True):
    """How people with `roles` make, change and remove the objects of a view.

    POST `path`, and PUT (or what `method` says) `one`, where the key stands in for the placeholder, take the
    `fields`; DELETE `one` removes the object. `made` is the member of the answer to POST with the new key.
    """

    path: str
    one: str
    made: str
    fields: tuple[Field, ...]
    roles: frozenset[Role] = frozenset()
    method: Literal["PUT", "PATCH"] = "PUT"
    trial: Trial | None = None
    remove_help: str = ""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Objects of a family, as a table with filters, and each on a page.

    GET `path` answers with a `type` that has the rows under `items`, `total` and `next_cursor`, and may have
    `total_is` and `indexing`; it takes `limit` and `cursor`. `key` is the member of a row that names it.
    `search` is the parameter for full text. `everybody` is the parameter with which administrators see what
    others made too. `whole` are parameters with which no row is missing or comes twice when all pages are
    read while rows are written. `sample` is the family whose sample file and upload belong here; `send` is a
    call that brings such objects: a path, and a body (a file's name, if it takes files). `finder` is a
    search in them, `editor` how they are made by hand. Without `total` the list does not say how many there
    are.
    """

    name: str
    title: str
    lead: str
    one: str
    many: str
    path: str
    type: Any
    items: str
    key: str
    columns: tuple[Column, ...]
    item: Item
    finder: Finder | None = None
    editor: Editor | None = None
    roles: frozenset[Role] = frozenset()
    filters: tuple[Filter, ...] = ()
    facets: tuple[Facet, ...] = ()
    figures: tuple[Figure, ...] = ()
    charts: tuple[Chart, ...] = ()
    search: str = ""
    search_hint: str = ""
    everybody: str = ""
    whole: Mapping[str, str] = {}
    total: str = "total"
    sample: str = ""
    send: tuple[str, Any] = ("", None)


class Quick(msgspec.Struct, frozen=True):
    """A filter that people often want, as the rows of a list take it."""

    label: str
    filter: Any


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one list of a `Grid`: what GET `path` answers, where the list's key stands in for the
    placeholder.

    The answer has them under `records`, as they were sent, and the names of their columns under `fields`;
    beside each, under `results`, is what was found out about it (null: not yet), of which `columns` are
    members; and under `places` its place in the list's job ('': not told). It takes `limit` and `cursor`, and
    has `next_cursor`. If it can be `narrowed`, it takes `filter`, and then has `total`, which is a lower
    bound if there is a `total_is`. `files` are paths by the ending of a file: they answer with all rows, and
    take `columns` as a JSON list of names, and `filter` as the rows do.

    A column is called as the member is, of the results first; a row's own member that is called so too, or as
    one of those `reserved`, is named with `own` before it.
    """

    path: str
    type: Any
    columns: tuple[Column, ...] = ()
    records: str = "records"
    results: str = "results"
    fields: str = "fields"
    places: str = ""
    narrowed: bool = True
    own: str = ""
    reserved: tuple[str, ...] = ()
    files: Mapping[str, str] = {}
    quick: tuple[Quick, ...] = ()


class Part(msgspec.Struct, frozen=True):
    """A list that is a part of one of the grid `of`: `member` has that one's key. `asks` is the parameter by
    which the parts of one alone are listed, if there is one."""

    of: str
    member: str
    asks: str = ""


class Switch(msgspec.Struct, frozen=True):
    """A member of a list that is on or off: `on` and `off` say which, `turn_on` and `turn_off` are for who
    changes it, `help` says what it does."""

    member: str
    label: str
    help: str
    on: str = ""
    off: str = ""
    turn_on: str = ""
    turn_off: str = ""


class Save(msgspec.Struct, frozen=True):
    """How what a filter finds is kept as a list of its own, of the grid `into`: POST `path` takes `name`, the
    `filter`, and which of the `switches` are on, and answers with the new list's key under `key`."""

    into: str
    path: str
    key: str
    switches: tuple[Switch, ...] = ()


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """Lists of rows whose columns are their own: each on a card, and as a table.

    GET `path` answers with a `type` that has the lists under `items`, and `next_cursor`; it takes `limit` and
    `cursor`. `key` is the member that names a list, `label` the one that people call it by, `facts` what a
    card says of it, and the page of its rows, where the answer has it under `head` ('': itself). Of a `share`
    the first member counts what is worked on of the second. `job` has the public id of the job that its
    rows came as. `filter` has the filter that its rows are found by. `kind` are the objects that it shows.
    `everybody` is the parameter with which administrators see what others made too.

    DELETE `remove` takes a list away, with its rows if it `holds` them; PATCH `change` gives it another
    `label`, and turns its `switches`. `sample` and `send` are as in a `View`.
    """

    name: str
    title: str
    lead: str
    one: str
    many: str
    path: str
    type: Any
    items: str
    key: str
    label: str
    rows: Rows
    facts: tuple[Column, ...] = ()
    head: str = ""
    share: tuple[str, str] | None = None
    job: str = ""
    filter: str = ""
    kind: str = ""
    part: Part | None = None
    save: Save | None = None
    remove: str = ""
    holds: bool = False
    change: str = ""
    switches: tuple[Switch, ...] = ()
    roles: frozenset[Role] = frozenset()
    everybody: str = ""
    with_: Mapping[str, str] = {}
    sample: str = ""
    send: tuple[str, Any] = ("", None)
