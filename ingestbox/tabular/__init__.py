"""Bytes to rows: what a file's encoding, dialect and header are, and its rows one after the other.

```
found = survey(path, name="feedback.csv")             # the whole file, once; NotTabular when it is no table
where = Path(found.copy) if found.copy else path      # workbooks and UTF-16/32 are read from a UTF-8 copy
columns = match(found.format.header, {"id": ["id", "ticket"], "text": ["text", "nội dung"]})
position = found.start
while True:
    part = read(where, found.format, position, max_rows=500)
    ...                                               # part.rows: each a Row or an Unreadable
    if part.done: break
    position = part.position                          # to be kept: reading can go on here at any time
```

`found.total` is exactly the number of rows that `read` gives, refused ones included.
"""

from ingestbox.tabular.match import match
from ingestbox.tabular.problem import NotTabular
from ingestbox.tabular.shapes import (
    Choice,
    Format,
    Given,
    Match,
    Notice,
    Position,
    Row,
    Slice,
    Survey,
    Unreadable,
)
from ingestbox.tabular.survey import read, survey

__all__ = [
    "Choice",
    "Format",
    "Given",
    "Match",
    "NotTabular",
    "Notice",
    "Position",
    "Row",
    "Slice",
    "Survey",
    "Unreadable",
    "match",
    "read",
    "survey",
]
