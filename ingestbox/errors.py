"""Every error the box can answer with: a code, an HTTP status, a sentence, and what to do next.

The catalogue is the single source. How an error looks on the wire is a family's business
(`Family.error_body`); internals (paths, SQL, stacks) stay in the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

MAX_FAULTS = 1_000
"""A validation error lists at most this many faults (contract: common, Answers)."""


class Entry(msgspec.Struct, frozen=True):
    """One line of the catalogue."""

    status: int
    sentence: str
    remedy: str


CATALOGUE: dict[str, Entry] = {
    "malformed_request": Entry(400, "This is not a valid HTTP request.", "Correct it and send it again."),
    "malformed_json": Entry(400, "The body is not valid JSON.", "Correct the JSON and send it again."),
    "malformed_encoding": Entry(
        400, "The compressed body is damaged.", "Send it again, compressed anew or not at all."
    ),
    "malformed_multipart": Entry(
        400, "The body is not valid multipart/form-data.", "Send the file as the part `file` of a form."
    ),
    "bad_parameter": Entry(400, "A parameter is not valid.", "Correct the parameter named in the detail."),
    "not_authenticated": Entry(
        401, "Not authenticated", "Send Authorization: Bearer <token> or X-API-Key: <key>."
    ),
    "token_expired": Entry(401, "Token has expired", "Get a new token: ingestbox token create."),
    "token_invalid": Entry(
        401, "Invalid or expired token", "Get a new token or key from the box's operator."
    ),
    "signature_invalid": Entry(
        401,
        "The batch is not signed as it has to be.",
        "Set the lane's signing_secret to one of [sync] signing_secrets here, and the clocks right.",
    ),
    "login_failed": Entry(
        401,
        "Incorrect email or password",
        "Check both. Operator: ingestbox user passwd EMAIL sets a new password.",
    ),
    "forbidden": Entry(403, "The caller's roles do not allow this.", "Ask for a token with the role named."),
    "other_site": Entry(
        403, "This form came from another site.", "Open the page on the box itself, and send it from there."
    ),
    "not_found": Entry(404, "Not found", "Check the address; the links are at /."),
    "job_not_found": Entry(404, "Job not found", "Check the id; only jobs of your workspace are visible."),
    "method_not_allowed": Entry(405, "Method not allowed", "Use one of the methods in the Allow header."),
    "request_in_progress": Entry(
        409, "A request with this Idempotency-Key is still running.", "Wait for Retry-After, then repeat it."
    ),
    "job_ended": Entry(409, "The job is at its end.", "Nothing is left to do about it; read the job."),
    "job_active": Entry(409, "The job is still being worked on.", "Wait for its end, or cancel it first."),
    "already_imported": Entry(
        409,
        "This file has already been imported.",
        "Cancel or undo that import, or send another file under another name.",
    ),
    "job_not_waiting": Entry(
        409,
        "The job does not wait for a person.",
        "Its rows can be changed while it needs review, or after it failed: read the job.",
    ),
    "job_not_cancellable": Entry(
        400,
        "The job cannot be cancelled any more.",
        "While it is processed: wait for its end. What it made can be undone once it is completed.",
    ),
    "partly_made": Entry(
        409,
        "Some rows of this import have become what they were to be.",
        "Give its other rows up and have it processed again; then the whole import can be undone.",
    ),
    "job_not_completed": Entry(
        409, "Only a completed import can be undone.", "Read the job; one that waits can be cancelled."
    ),
    "turn_taken": Entry(
        409,
        "Another import of the same owner is making its objects right now.",
        "Wait for Retry-After, then repeat it.",
    ),
    "issue_not_existing": Entry(
        422,
        "There is nothing that this issue could update.",
        "Give the row another key, or discard it: update_existing is for rows whose key exists already.",
    ),
    "rows_undecided": Entry(
        409,
        "Several rows of the issue could update what exists.",
        "Discard all of them but one, then decide again.",
    ),
    "nothing_to_update": Entry(
        409,
        "What the row was to update is gone.",
        "Reprocess the job: the row becomes a new object; or discard it.",
    ),
    "job_cancelled": Entry(
        409, "The job was cancelled, which is final.", "Send the records again in a new batch."
    ),
    "record_not_waiting": Entry(
        409,
        "The record does not wait on an issue.",
        "Read it again: it may be processed or given up already.",
    ),
    "superseded": Entry(
        409,
        "The object has a newer version by now, or was removed.",
        "Correct what gave it that version; the refused line of this one can be given up.",
    ),
    "key_taken": Entry(
        409,
        "Another object of the same owner has this key.",
        "Give it another key, or correct the other object.",
    ),
    "lane_off": Entry(
        409,
        "The lane is not in the settings any more.",
        "Put it back there to send the line again; or give the line up.",
    ),
    "lane_configured": Entry(
        409,
        "The lane is in the settings: it cannot be forgotten.",
        "Take it out there and start the box again; what it has not delivered is given up only then.",
    ),
    "reason_required": Entry(
        422, "A refused delivery is given up for a reason.", "Say it in comment, and repeat the call."
    ),
    "record_changed": Entry(
        409, "The record was changed meanwhile.", "Read it again, and make the change on what it is now."
    ),
    "issue_resolved": Entry(409, "The issue is resolved already.", "Read it: it says how, when and by whom."),
    "issue_not_held": Entry(
        409,
        "Nothing came of the record that could be accepted.",
        "Correct it, have it processed again, or discard it. An issue that is `held` can be accepted.",
    ),
    "precondition_failed": Entry(
        412, "This is not what If-Match names any more.", "Read it again, and send its new ETag."
    ),
    "rule_exists": Entry(
        409, "There is a rule with this name.", "Use another name, or take that rule away first."
    ),
    "too_many_rules": Entry(
        409, "There are as many rules as are kept.", "Take away one that is not needed any more."
    ),
    "user_exists": Entry(
        409, "There is a user with this e-mail address.", "Change that user, or use another address."
    ),
    "last_administrator": Entry(
        409,
        "No administrator would be left.",
        "Make another user an administrator first; or, as the operator, use ingestbox user on the box.",
    ),
    "user_disabled": Entry(409, "The user is disabled.", "Enable the user first."),
    "already_set_up": Entry(
        409, "This box has users already.", "Sign in; or ask an administrator to add you."
    ),
    "link_ended": Entry(
        410,
        "This link is not good any more.",
        "It was used, replaced or is too old. If you have used it, sign in; else ask for a new one.",
    ),
    "payload_too_large": Entry(413, "Payload too large.", "Send less in one request."),
    "unsupported_media_type": Entry(
        415, "This content type or encoding is not supported.", "Send what the detail names."
    ),
    "file_type_not_supported": Entry(
        415, "Files of this type are not taken.", "Send a .csv, .tsv, .txt or .xlsx file."
    ),
    "file_required": Entry(
        422, "There is no file in the form.", "Send exactly one file, as the part `file` with its file name."
    ),
    "file_empty": Entry(422, "The file has no rows.", "Send a file with a header and at least one row."),
    "file_unreadable": Entry(
        422, "The file cannot be read as a table.", "Save it as CSV in UTF-8, and send it again."
    ),
    "text_column_required": Entry(
        422,
        "The file has no column with text.",
        "Name a column description, summary, comment, feedback, message, content or text.",
    ),
    "missing_headers": Entry(
        400,
        "The file has not all the columns that it needs.",
        "Name its columns as the detail says, or say in `mapping` which column is what.",
    ),
    "too_many_rows": Entry(422, "The file has too many rows.", "Send it in several files."),
    "validation_failed": Entry(422, "The request is not valid.", "Correct the faults listed in errors."),
    "host_not_allowed": Entry(
        421,
        "This box does not answer to the host that was asked for.",
        "Use one of its own names. Operator: add the name to server.allowed_hosts.",
    ),
    "header_too_large": Entry(
        431, "The request's target and headers are too large.", "Send shorter ones: 64 KB is the most."
    ),
    "idempotency_mismatch": Entry(
        422,
        "This Idempotency-Key was used with other content.",
        "Use a new key for new content.",
    ),
    "idempotency_key_invalid": Entry(
        400, "Idempotency-Key must have 1 to 255 characters.", "Send a shorter key, for example a UUID."
    ),
    "digest_mismatch": Entry(503, "The body does not match its Content-Digest.", "Send it again."),
    "client_disconnected": Entry(499, "The client went away before its body was complete.", "Send it again."),
    "header_incomplete": Entry(408, "The request did not arrive in time.", "Send it again."),
    "body_incomplete": Entry(408, "The body did not arrive in time.", "Send it again."),
    "damaged": Entry(
        500, "What the store holds of this is damaged.", "Operator: ingestbox doctor, then restore a backup."
    ),
    "internal": Entry(
        500, "The box failed to handle this request.", "Report the request_id to the operator."
    ),
    "rate_limited": Entry(
        429, "There were too many calls in a minute.", "Wait for Retry-After, then go on more slowly."
    ),
    "overloaded": Entry(
        503, "The box has more to write than it can.", "Wait for Retry-After, then repeat it."
    ),
    "shutting_down": Entry(503, "The box is stopping.", "Wait for Retry-After, then repeat it."),
    "issuer_unavailable": Entry(
        503,
        "The issuer of this token cannot be asked for its keys.",
        "The token may be good: wait for Retry-After, then repeat it. Operator: see /readyz.",
    ),
    "too_many_secrets": Entry(
        409,
        "Too many old secrets are still good.",
        "End the tokens of old secrets: ingestbox secret rotate --keep 30d, or --end-now.",
    ),
    "secret_unwritable": Entry(
        507,
        "The secret cannot be written to the data folder.",
        "The old one stays. Operator: see the log, and free disk space or mend the folder's permissions.",
    ),
    "key_ended": Entry(
        409,
        "The key has ended: it was revoked, or its time is over.",
        "Make a new key; the list of keys says what this one was for.",
    ),
    "key_rotated": Entry(
        409,
        "Another key has taken this one's place already.",
        "Rotate that one: the trail of this key names it.",
    ),
    "backup_running": Entry(
        409,
        "A backup is being taken already.",
        "Wait until it is there: GET /v1/backups, or ingestbox backup list.",
    ),
    "backup_unwritable": Entry(
        507,
        "The folder of backups cannot be used.",
        "Operator: is its disk mounted, and may the user of the box write there? See [backup] folder.",
    ),
    "backup_failed": Entry(
        500, "The backup could not be taken.", "Operator: see the log. Earlier backups are as they were."
    ),
    "duplicate_content": Entry(
        409,
        "The same text is there already.",
        "Nothing is lost: content_id names the first one. Do not send it again.",
    ),
    "content_not_found": Entry(
        404, "There is no such content.", "Look at its id; content of other workspaces is out of sight."
    ),
    "source_not_found": Entry(
        404,
        "There is no such source.",
        "Make it with POST /knowledge-management/sources, or correct source_id.",
    ),
    "source_exists": Entry(
        409, "There is a source with this id.", "Change it with PUT, or give the new one another id."
    ),
    "source_has_content": Entry(
        409,
        "A source with content is not deleted.",
        'Switch it off instead: PUT it with `"status": "disabled"`.',
    ),
    "store_unavailable": Entry(
        503, "The store cannot be written.", "Nothing was kept; repeat it later. Operator: ingestbox doctor."
    ),
    "storage_full": Entry(
        507,
        "The store is full.",
        "Nothing was kept; repeat it later. Operator: free disk space, or see store.max_mb.",
    ),
}


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing wrong with what a client sent: where (`index` of the record, `field`) and what."""

    code: str
    message: str
    index: int | None = None
    field: str | None = None


class IngestError(Exception):
    """An error from the catalogue, on its way to the one place that shapes replies.

    `detail` replaces the catalogue's sentence; `faults` lists what is wrong with the input;
    `retry_after` is in whole seconds; `extra` is added to the body as it is.
    """

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        faults: Sequence[Fault] = (),
        retry_after: int | None = None,
        status: int | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        entry = CATALOGUE[code]
        self.code = code
        self.status = entry.status if status is None else status
        self.detail = entry.sentence if detail is None else detail
        self.remedy = entry.remedy
        self.faults = tuple(faults[:MAX_FAULTS])
        self.retry_after = retry_after
        self.extra = dict(extra or {})
        super().__init__(f"{code}: {self.detail}")


class TooLargeError(IngestError):
    """`payload_too_large` for a file: its cap, and its size where that is known, in bytes."""

    def __init__(self, limit: int, size: int | None = None) -> None:
        told = "" if size is None else f", having {size} bytes"
        super().__init__("payload_too_large", f"The file is over the limit of {limit} bytes{told}.")
        self.limit = limit
        self.size = size


class BodyTooLargeError(IngestError):
    """`payload_too_large` for a body that is no file: its cap, in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__("payload_too_large", f"The body is over the limit of {limit} bytes.")
        self.limit = limit


class StartupError(Exception):
    """The box cannot start; the message is a sentence for the operator, with the remedy in it."""


class LastingStartupError(StartupError):
    """Each start would try the same again at length, until somebody does something: `serve` exits with
    another code, by which a service manager knows not to start it again by itself."""
