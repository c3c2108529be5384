"""Settings of forwarding: the lanes that go out, and what comes in from the lanes of other boxes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Lane(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[[lanes]]: one upstream that finished results are delivered to."""

    name: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,31}$", description="Name of the lane.")]
    url: Annotated[
        str,
        Meta(
            pattern="^(https?|postgres(ql)?)://",
            description="Where batches are posted, for example …/v1/sync/batches, or the PostgreSQL database "
            "that they are written to.",
        ),
    ]
    token: Annotated[str, Meta(description="Bearer token or API key for the upstream.")] = ""
    token_file: Annotated[str, Meta(description="A file that holds the token instead.")] = ""
    token_header: Annotated[
        str,
        Meta(
            pattern="^([A-Za-z][A-Za-z0-9-]*)?$",
            description="The header that carries the token as it is, such as `X-API-Key`. Empty: "
            "`Authorization: Bearer`.",
        ),
    ] = ""
    signing_secret: Annotated[
        str,
        Meta(
            description="Signs each batch (Standard Webhooks): `whsec_` and base64, or any other text of 24 "
            "characters or more. Several, separated by spaces, while one replaces the other."
        ),
    ] = ""
    signing_secret_file: Annotated[str, Meta(description="A file that holds the secret instead.")] = ""
    tls_ca: Annotated[
        str, Meta(description="File with the CAs (PEM) that the upstream's certificate is checked against.")
    ] = ""
    tls_cert: Annotated[
        str, Meta(description="File with the client certificate and its chain (PEM) that is shown.")
    ] = ""
    tls_key: Annotated[str, Meta(description="File with that certificate's private key (PEM).")] = ""
    families: Annotated[
        list[str], Meta(description="Families whose results go this way. Empty: all; so for the next three.")
    ] = []
    kinds: Annotated[list[str], Meta(description="Kinds of objects, such as `ticket`.")] = []
    workspaces: Annotated[list[str], Meta(description="Workspaces.")] = []
    ops: Annotated[
        list[Literal["put", "delete"]],
        Meta(description='`["put"]` for a log that takes no deletions.'),
    ] = []
    relay: Annotated[
        bool, Meta(description="Whether results that other boxes sent here go this way, too.")
    ] = True
    schedule: Annotated[
        str,
        Meta(
            pattern=r"^(immediately|every [1-9][0-9]* s|cron( [0-9*,/-]+){5})$",
            description='"immediately", "every 60 s", or "cron" and the minutes in which batches may leave: '
            'minute, hour, day, month, weekday, in local time; "cron * 22-23,0-5 * * *": at night.',
        ),
    ] = "immediately"
    format: Annotated[
        Literal["ndjson", "json", "envelope"],
        Meta(description="A line each, one JSON array, or an object with the array as a member."),
    ] = "ndjson"
    envelope_member: Annotated[
        str, Meta(min_length=1, description='That member\'s name, with `format = "envelope"`.')
    ] = "deliveries"
    compression: Annotated[
        Literal["zstd", "gzip", "none"],
        Meta(description="Of bodies; after a 415 the next of zstd, gzip, none is used."),
    ] = "zstd"
    batch_lines: Annotated[int, Meta(ge=1, le=10_000, description="Most lines in a batch.")] = 500
    batch_kb: Annotated[
        int,
        Meta(ge=1, le=65536, description="Most kilobytes of a batch before compression (one line at least)."),
    ] = 4096
    batch_compressed_kb: Annotated[
        int, Meta(ge=1, le=65536, description="Most kilobytes of it as sent (one line at least).")
    ] = 1024
    batch_seconds: Annotated[
        float,
        Meta(ge=0, le=3600, description="How long lines wait for others before a batch that is not full."),
    ] = 0.0
    rate_lines: Annotated[int, Meta(ge=0, description="Most lines a second; 0: as fast as it goes.")] = 0
    rate_kb: Annotated[
        int, Meta(ge=0, description="Most kilobytes a second, as sent; 0: as fast as it goes.")
    ] = 0
    fresh_share: Annotated[
        float,
        Meta(
            ge=0,
            le=0.5,
            description="After an outage, the share of batches that carry what has come in since, ahead of "
            "its turn; for upstreams that order by version, as ingestbox and PostgreSQL do. 0: strictly "
            "oldest first.",
        ),
    ] = 0.0
    answers: Annotated[
        list[Annotated[str, Meta(pattern="^[1-5][0-9][0-9] (delivered|retry|pause|halve|bisect)$")]],
        Meta(description='What answers mean, where that differs from the table: `["404 retry"]`.'),
    ] = []
    refusals: Annotated[
        int,
        Meta(
            ge=1,
            description="After so many single refusals in a row the lane pauses: the upstream changed, it is "
            "not the records.",
        ),
    ] = 20
    timeout_seconds: Annotated[float, Meta(gt=0, description="Longest wait for the upstream's answer.")] = (
        30.0
    )
    probe_seconds: Annotated[
        float, Meta(gt=0, description="How often a paused lane tries again (contract: every 5 min).")
    ] = 300.0
    backoff_seconds: Annotated[
        float,
        Meta(gt=0, description="First pause after a failed try; it doubles, with full jitter, to 5 min."),
    ] = 1.0
    table: Annotated[
        str,
        Meta(
            pattern="^[a-z_][a-z0-9_]{0,47}$",
            description="PostgreSQL: the table that is written to; it is made if it is not there.",
        ),
    ] = "ingestbox_objects"


class Sync(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[sync]: other boxes that send here."""

    signing_secrets: Annotated[
        list[str],
        Meta(
            description="Secrets of which one must have signed each batch that comes in (`signing_secret` of "
            "the lanes that send here). Empty: no signature is asked for."
        ),
    ] = []
    gap_minutes: Annotated[
        int, Meta(ge=1, description="A gap in what a box sent raises an alarm once it is so old.")
    ] = 15
