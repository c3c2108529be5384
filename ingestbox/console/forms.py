"""The forms that pages send."""

from __future__ import annotations

from urllib.parse import parse_qsl

from ingestbox.errors import IngestError

MAX_FIELDS = 1_000


def form(body: bytes) -> dict[str, str]:
    """A form's fields (application/x-www-form-urlencoded); of a repeated one the last counts.

    Raises IngestError `bad_parameter`.
    """
    return dict(pairs(body))


def pairs(body: bytes) -> list[tuple[str, str]]:
    """A form's fields in order, also repeated ones. Raises IngestError `bad_parameter`."""
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeDecodeError:
        raise IngestError("bad_parameter", "The form is not UTF-8.") from None
    except ValueError:
        raise IngestError("bad_parameter", f"The form has over {MAX_FIELDS} fields.") from None
