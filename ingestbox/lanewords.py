"""What the reason of a lane's state means, and what to do about it: the same words on every surface.

A reason is a word, maybe with a detail behind a colon: `http: 503`, `refuses_all: record_invalid`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Words(NamedTuple):
    """Two sentences; `remedy` may be empty where nothing is to be done."""

    meaning: str
    remedy: str


_BY_ITSELF = "It tries again by itself."
_PROBED = "The lane is probed by itself, and nothing is dropped."
_ADDRESS = "Check the path of the lane's url: another ingestbox takes batches at /v1/sync/batches."

REASONS: Mapping[str, Words] = {
    "on_hold": Words("A person put it on hold.", "Let it go on when the reason is gone."),
    "outside_window": Words(
        "It waits for the hours in which its schedule lets batches leave.",
        "Nothing is wrong. To send now, change the lane's schedule.",
    ),
    "dns": Words(
        "The upstream's name cannot be looked up.",
        f"Check the address in the settings, and this machine's name server. {_BY_ITSELF}",
    ),
    "connect": Words(
        "Nothing answers at the upstream's address.",
        f"Is it up, and may this machine reach it? {_BY_ITSELF}",
    ),
    "timeout": Words(
        "The upstream did not answer in time.",
        f"{_BY_ITSELF} If the line is slow, raise the lane's timeout_seconds.",
    ),
    "cut": Words(
        "The connection broke off.",
        f"{_BY_ITSELF} If it always does: should the lane's url begin with https://?",
    ),
    "tls": Words(
        "No encrypted connection came about.", f"Does the upstream speak TLS at this address? {_BY_ITSELF}"
    ),
    "certificate_refused": Words(
        "The upstream's certificate is not to be trusted.",
        "Renew it there, check the address, or name its CA in the lane's tls_ca. The lane is probed by "
        "itself.",
    ),
    "client_certificate_refused": Words(
        "The upstream does not accept the certificate that this box shows ({reason}).",
        "Renew it, or have its CA accepted there: the files are the lane's tls_cert and tls_key. New ones "
        "are read by themselves, and the lane is probed by itself.",
    ),
    "hung_up": Words(
        "The upstream hangs up as soon as an encrypted connection stands, without a word.",
        "Most likely it does not accept the certificate that this box shows, or wants one: check the lane's "
        "tls_cert and tls_key, and its log. A balancer that has nobody behind it does the same. The lane is "
        "probed by itself.",
    ),
    "tls_wanted": Words(
        "The upstream speaks TLS at this address, and the lane does not ({reason}).",
        "Write https:// in the lane's url.",
    ),
    "tls_files": Words(
        "The lane's TLS files cannot be used.",
        "Put them right; they are read by themselves. Until then the lane uses those that it read before.",
    ),
    "http": Words("The upstream has trouble ({reason}).", _BY_ITSELF),
    "unauthorized": Words(
        "The upstream does not know this box ({reason}).",
        "Check the lane's token in the settings; where the upstream wants signatures, its signing_secret and "
        "the clock, too. A test of the lane shows what it says. Then start the box again.",
    ),
    "forbidden": Words(
        "The upstream knows this box, and does not let it in ({reason}).",
        "Its key needs the role forwarder there.",
    ),
    "not_found": Words("There is nothing at this address ({reason}).", _ADDRESS),
    "method_not_allowed": Words("The address takes no batches ({reason}).", _ADDRESS),
    "redirect": Words(
        "The upstream sends elsewhere ({reason}), which a lane does not follow.",
        "Put the address that it moved to into the settings.",
    ),
    "refused": Words("The upstream refuses the batch ({reason}).", f"Its log says why. {_PROBED}"),
    "refuses_all": Words(
        "The upstream refuses line after line ({reason}): it is not the records, the upstream changed.",
        "See what it says of the refused lines, and have it put right. The lane is probed by itself with one "
        "line; then send the refused ones again.",
    ),
    "gap_persists": Words(
        "The upstream says again that it misses what was sent to it.",
        "Look at its log: it may have lost data. The lane is probed by itself.",
    ),
    "answer_too_large": Words(
        "The upstream's answer is longer than any that makes sense.",
        f"Is this the right address? {_BY_ITSELF}",
    ),
    "answer_encoded": Words(
        "The upstream compresses its answer, though it was asked not to.",
        f"Look at the proxies in between. {_BY_ITSELF}",
    ),
    # What a PostgreSQL server says.
    "no_such_database": Words(
        "There is no such database on the server ({reason}).",
        "Check the lane's url, or make the database. The lane is probed by itself.",
    ),
    "no_table": Words(
        "The lane's table is not there, and its user may not make it ({reason}).",
        "Let the user make tables in its schema (GRANT CREATE ON SCHEMA), or make the table for it.",
    ),
    "not_allowed": Words(
        "The lane's user may not write to its table ({reason}).",
        "GRANT SELECT, INSERT, UPDATE on the table and on the one that ends in _epochs to it.",
    ),
    "table_differs": Words(
        "The table is not as this lane makes it ({reason}).",
        "Put it right, or set the lane's table to another name: it is made then.",
    ),
    "read_only": Words(
        "The database takes no writes now ({reason}).",
        f"Is it a standby, or set to read only? {_BY_ITSELF}",
    ),
    "too_many_connections": Words("The database has no connection left ({reason}).", _BY_ITSELF),
    "disk_full": Words("The database's disk is full ({reason}).", f"Make room there. {_BY_ITSELF}"),
    "conflict": Words("Somebody else wrote to the same rows ({reason}).", _BY_ITSELF),
    "database_starting": Words("The database is starting ({reason}).", _BY_ITSELF),
    "database_stopping": Words("The database was stopped ({reason}).", _BY_ITSELF),
    "database": Words("The database has trouble ({reason}).", f"Its log says why. {_BY_ITSELF}"),
    "store": Words(
        "This box's own store has trouble ({reason}).", "See ingestbox doctor, or the page Health."
    ),
    "internal": Words("This program failed.", f"The log has the details. {_BY_ITSELF}"),
}
"""By the first word of the reason."""


def said(reason: str) -> Words:
    """The sentences for a reason, also for one that is not known here."""
    known = REASONS.get(reason.partition(":")[0])
    if known is None:
        return Words(f"The reason is: {reason}.", "Look at the log, and at the upstream's.")
    # Not format(): a reason may hold what an upstream said.
    return Words(known.meaning.replace("{reason}", reason), known.remedy)
