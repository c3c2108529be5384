"""Settings as data, each with a default, a key in the file, an environment variable and a sentence."""

from __future__ import annotations

from typing import Annotated, Literal, get_type_hints

import msgspec
from msgspec import Meta

from ingestbox.config.backup import Backup
from ingestbox.config.issuer import Issuer
from ingestbox.config.lane import Lane, Sync

MIB = 1_048_576
"""MB means 1,048,576 bytes throughout (contract: common, Requests)."""


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[server]: where the box listens."""

    # Not empty: that would mean every address.
    host: Annotated[str, Meta(min_length=1, description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[
        int, Meta(ge=0, le=65535, description="TCP port to listen on; 0 picks a free one and logs it.")
    ] = 8000
    stop_seconds: Annotated[
        float, Meta(gt=0, le=300, description="How long a stop waits for requests and chunks in hand.")
    ] = 10.0
    prefix: Annotated[
        str,
        Meta(
            pattern="^(/[A-Za-z0-9._~-]+)*$",
            description="Path below which a proxy publishes the box, such as `/ingest`. Requests are taken "
            "with and without it.",
        ),
    ] = ""
    allowed_hosts: Annotated[
        list[str],
        Meta(
            description="Names that the Host header may have, `*.example.com` for all below one; loopback "
            "and IP addresses always may. Empty: any."
        ),
    ] = []
    trusted_proxies: Annotated[
        list[str],
        Meta(
            description="Addresses or networks of proxies whose X-Forwarded-For, -Host, -Prefix and -Proto "
            "are believed."
        ),
    ] = []
    cors_origins: Annotated[
        list[str],
        Meta(
            description="Origins of web pages that may call the API, such as `https://app.example`; `*`: any."
        ),
    ] = []
    tls_cert: Annotated[
        str,
        Meta(
            description="File with the certificate and its chain (PEM); with `tls_key` the box speaks HTTPS."
        ),
    ] = ""
    tls_key: Annotated[str, Meta(description="File with the certificate's private key (PEM).")] = ""
    tls_client_ca: Annotated[
        str, Meta(description="File with the CAs (PEM) of which each client has to show a certificate.")
    ] = ""


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[log]: what is logged and how; `LOG_LEVEL` and `LOG_FORMAT` are read too."""

    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], Meta(description="Lowest level logged.")
    ] = "INFO"
    format: Annotated[
        Literal["json", "simple"], Meta(description="One JSON object a line, or a line for people.")
    ] = "json"


class Auth(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[auth]: who is let in."""

    api_keys: Annotated[
        list[str],
        Meta(
            description="Static API keys, each `key`, `key:role+role` or `key:role+role:workspace`; a key has"
            " 32 characters or more. In the environment separated by commas, or a file named by "
            "INGESTBOX_AUTH_API_KEYS_FILE with one a line."
        ),
    ] = []
    leeway_seconds: Annotated[
        int, Meta(ge=0, le=300, description="Clock difference forgiven in a token's exp and nbf.")
    ] = 5
    session_minutes: Annotated[
        int, Meta(ge=1, le=43_200, description="How long a token from POST /api/auth/login is good.")
    ] = 60


class Console(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[console]: who is let in at /console, and for how long."""

    admin_email: Annotated[
        str,
        Meta(
            description="E-mail address of an administrator who is made at a start without users; later it "
            "does nothing."
        ),
    ] = ""
    admin_password: Annotated[
        str,
        Meta(
            description="That administrator's password; better in a file that "
            "INGESTBOX_CONSOLE_ADMIN_PASSWORD_FILE names."
        ),
    ] = ""
    session_hours: Annotated[
        int, Meta(ge=1, le=720, description="How long a person stays signed in at most.")
    ] = 12
    idle_minutes: Annotated[
        int,
        Meta(ge=5, le=43_200, description="How long a person stays signed in who does nothing meanwhile."),
    ] = 120


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[limits]: caps on what one request may carry; they hold on the wire and after decompression."""

    feedback_json_mb: Annotated[int, Meta(ge=1, le=1024, description="JSON body of feedback, in MB.")] = 16
    feedback_csv_mb: Annotated[
        int,
        Meta(ge=1, le=16_384, description="File of feedback (CSV, workbook), in MB; it is kept on disk."),
    ] = 500
    contacts_mb: Annotated[
        int, Meta(ge=1, le=16_384, description="File of contacts (CSV, workbook), in MB; it is kept on disk.")
    ] = 5
    audience_mb: Annotated[
        int, Meta(ge=1, le=1024, description="Batch of audience records, or a file of them, in MB.")
    ] = 5
    knowledge_mb: Annotated[int, Meta(ge=1, le=1024, description="One article of knowledge, in MB.")] = 8
    knowledge_bulk_mb: Annotated[
        int, Meta(ge=1, le=1024, description="Bulk upload of articles of knowledge, in MB.")
    ] = 64
    knowledge_items: Annotated[
        int, Meta(ge=1, le=100_000, description="Articles in one bulk upload of knowledge.")
    ] = 1_000
    sync_mb: Annotated[int, Meta(ge=1, le=1024, description="Body of /v1/sync/batches, in MB.")] = 16
    control_kb: Annotated[
        int, Meta(ge=1, le=65536, description="Body of any other call (keys, administration), in KB.")
    ] = 64
    feedback_records: Annotated[int, Meta(ge=1, le=100_000, description="Records in one feedback batch.")] = (
        1_000
    )
    audience_records: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Records in one audience batch, or rows of a file of them; or MAX_BATCH_SIZE.",
        ),
    ] = 50_000
    waiting_writes: Annotated[
        int,
        Meta(ge=1, description="Intake writes that may wait for the store; past it 503 with Retry-After."),
    ] = 512
    body_stall_seconds: Annotated[
        float, Meta(gt=0, description="A body that sends nothing for this long is given up with 408.")
    ] = 30.0
    header_seconds: Annotated[
        float, Meta(gt=0, description="A request whose headers take longer is given up with 408.")
    ] = 10.0
    connections: Annotated[
        int,
        Meta(
            ge=1,
            description="Connections open at once; past it new ones get 503. Held below "
            "what the process may open.",
        ),
    ] = 1_000
    bodies_mb: Annotated[
        int,
        Meta(
            ge=1, description="Bytes of bodies in memory at once, in MB; past it 503 before the body is read."
        ),
    ] = 64
    # Above what the largest file holds, so that one file does not shut out all others.
    backlog_records: Annotated[
        int,
        Meta(
            ge=0,
            description="Records that may wait to be processed; past it intake gets 429 with Retry-After. "
            "0: no limit.",
        ),
    ] = 10_000_000


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[rates]: requests a minute, for each caller; 0: no limit. A minute's allowance may be used at once."""

    requests: Annotated[
        int, Meta(ge=0, description="Calls without a rate of their own, for each family and for /v1 apart.")
    ] = 0
    intake: Annotated[int, Meta(ge=0, description="Calls that take records in, for each family apart.")] = 0
    knowledge_upload: Annotated[int, Meta(ge=0, description="Single uploads of knowledge.")] = 60
    knowledge_bulk: Annotated[int, Meta(ge=0, description="Bulk uploads of knowledge.")] = 10
    knowledge_read: Annotated[
        int, Meta(ge=0, description="Each of the calls that read or search knowledge.")
    ] = 120
    knowledge_sources: Annotated[
        int, Meta(ge=0, description="Calls that change or validate sources of knowledge.")
    ] = 5
    login: Annotated[
        int, Meta(ge=0, description="POST /api/auth/login, for each address and for each e-mail apart.")
    ] = 10


class Knowledge(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[knowledge]: crawled articles."""

    auto_register_sources: Annotated[
        bool,
        Meta(
            description="Whether an article of a source that is not known makes the source known, as "
            "unconfigured; otherwise it is refused. Set it to false on a central box."
        ),
    ] = True
    content_types: Annotated[
        list[Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,49}$")]],
        Meta(description="What `content_type` of an article may be; empty: what the documentation names."),
    ] = []
    low_quality: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="An article whose quality is below this waits for a person before it is forwarded.",
        ),
    ] = 0.5


class Outbound(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[outbound]: pages that the box fetches for others, to look at a source; never inside, unless opened."""

    allow_hosts: Annotated[
        list[str],
        Meta(
            description="Private hosts that may be fetched from nevertheless: names, `*.example.vn` for all "
            "below one, addresses or networks. Whoever controls the DNS of a name decides where it leads."
        ),
    ] = []
    user_agent: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9!#$%&'*+.^_`|~-]+(/[ -~]{1,200})?$",
            max_length=256,
            description="What the box calls itself there; robots.txt is read for what is before the `/`.",
        ),
    ] = "CareCircle-Crawler/1.0"
    tls_ca: Annotated[
        str, Meta(description="File with CAs (PEM) that are trusted there besides the public ones.")
    ] = ""


_Pii = Literal["off", "flag", "redact-before-forwarding"]


class Pii(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[pii]: personal data in records: e-mail addresses, phone numbers, national ids, payment cards. `flag`
    tells in the result what was found; `redact-before-forwarding` hides it in what is forwarded, and never in
    what is stored."""

    feedback: Annotated[_Pii, Meta(description="What is done about personal data in feedback.")] = "off"
    contacts: Annotated[
        _Pii,
        Meta(
            description="In contacts. Redacted, they reach upstream without their addresses and numbers, by "
            "which it would know them."
        ),
    ] = "off"
    audience: Annotated[
        _Pii, Meta(description="In audience records and segments; redacted, as with contacts.")
    ] = "off"
    knowledge: Annotated[_Pii, Meta(description="In articles of knowledge.")] = "off"


class Alarms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[alarms]: who is told when something is wrong, or well again; the log always is."""

    webhook_url: Annotated[
        str, Meta(pattern="^(https?://.+)?$", description="Where alarms are posted as JSON. Empty: nowhere.")
    ] = ""
    webhook_secret: Annotated[
        str,
        Meta(description="Signs what is posted (Standard Webhooks: `whsec_` and base64). Empty: not signed."),
    ] = ""
    check_seconds: Annotated[
        float, Meta(gt=0, description="How often the box looks for what to alarm about.")
    ] = 5.0


class Store(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[store]: the ledger."""

    max_mb: Annotated[
        int,
        Meta(ge=0, description="Largest size of the database in MB; past it intake answers 507. 0: none."),
    ] = 0
    reserve_percent: Annotated[
        int,
        Meta(
            ge=1,
            le=50,
            description="The part of `max_mb` that is kept for resolving and forwarding: intake answers 507 "
            "before it is used.",
        ),
    ] = 5
    delivered_days: Annotated[
        int,
        Meta(
            ge=0,
            le=3650,
            description="How many days lines are kept that every lane has delivered, for sending them again. "
            "Those that are not delivered stay. Without a lane they wait for one, unless room gets short. 0: "
            "all stay.",
        ),
    ] = 30
    min_free_mb: Annotated[
        int, Meta(ge=0, description="Free disk space in MB below which the box says it is not ready.")
    ] = 256
    file_days: Annotated[
        int,
        Meta(
            ge=0,
            le=3650,
            description="How many days an uploaded file is kept once its rows are in the ledger; 0: it goes "
            "at once.",
        ),
    ] = 7
    upgrade_snapshot: Annotated[
        bool,
        Meta(
            description="Whether a snapshot of the store is made before a newer program changes its tables, "
            "to go back to. It takes as much room as the store; the newest two are kept."
        ),
    ] = True
    readers: Annotated[int, Meta(ge=1, le=16, description="Read-only connections.")] = 2
    idempotency_hours: Annotated[
        int, Meta(ge=1, le=8760, description="How long an Idempotency-Key is remembered.")
    ] = 48


class Work(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[work]: processing."""

    workers: Annotated[int, Meta(ge=1, le=64, description="Jobs worked on at once.")] = 4
    children: Annotated[
        int, Meta(ge=0, le=64, description="Processes for CPU work; 0: one per core, at most four.")
    ] = 0
    chunk_records: Annotated[
        # Settling 500 holds the writer for about 15 ms.
        int, Meta(ge=1, le=500, description="Records processed and settled together.")
    ] = 100
    chunk_seconds: Annotated[
        float, Meta(gt=0, description="A chunk that takes longer is stopped and retried in smaller parts.")
    ] = 60.0
    lease_seconds: Annotated[
        float, Meta(gt=0, description="How long a worker holds a job without progress before it is freed.")
    ] = 300.0
    sweep_seconds: Annotated[
        float, Meta(gt=0, description="How often leases, due retries and the workers' health are looked at.")
    ] = 5.0


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A server that does a step of the analysis; what is said to it: docs/enrichment.md."""

    url: Annotated[
        str,
        Meta(
            pattern="^(https?://.+)?$",
            description="Where texts are posted instead of being analysed here. Empty: the box does it.",
        ),
    ] = ""
    token: Annotated[str, Meta(description="Bearer token for it.")] = ""
    token_file: Annotated[str, Meta(description="A file that holds the token instead.")] = ""
    timeout_seconds: Annotated[
        float,
        Meta(gt=0, le=300, description="Longest wait for an answer; then the box does it itself."),
    ] = 10.0
    batch: Annotated[int, Meta(ge=1, le=1000, description="Most texts in one request.")] = 64


class LanguageStep(Endpoint, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[enrich.language]: which language a text is in."""


class SentimentStep(Endpoint, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[enrich.sentiment]: whether a text is positive, neutral or negative."""


class EntitiesStep(Endpoint, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[enrich.entities]: whom and what a text names."""


class KeywordsStep(Endpoint, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[enrich.keywords]: what a text is about."""


class EmbeddingsStep(Endpoint, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[enrich.embeddings]: vectors of passages, by which articles are found. The url is that of a server that
    speaks as OpenAI's does; `/v1/embeddings` is added if it is not there."""

    model: Annotated[
        str,
        Meta(max_length=200, description="The model that the server is asked for; a url needs one."),
    ] = ""
    model_path: Annotated[
        str,
        Meta(
            description="Instead of a server: a file of word vectors (the text format of word2vec, GloVe and "
            "fastText, most frequent words first), of which the first 200,000 are taken."
        ),
    ] = ""


class Enrich(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[enrich]: the steps of the analysis of texts, each with a section of its own."""

    language: LanguageStep = LanguageStep()
    sentiment: SentimentStep = SentimentStep()
    entities: EntitiesStep = EntitiesStep()
    keywords: KeywordsStep = KeywordsStep()
    embeddings: EmbeddingsStep = EmbeddingsStep()


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that can be set."""

    data: Annotated[
        str, Meta(min_length=1, description="The data folder; made with mode 0700 when it is not there.")
    ] = "./ingestbox-data"
    server: Server = Server()
    log: Log = Log()
    auth: Auth = Auth()
    console: Console = Console()
    limits: Limits = Limits()
    rates: Rates = Rates()
    alarms: Alarms = Alarms()
    store: Store = Store()
    backup: Backup = Backup()
    work: Work = Work()
    enrich: Enrich = Enrich()
    knowledge: Knowledge = Knowledge()
    pii: Pii = Pii()
    outbound: Outbound = Outbound()
    sync: Sync = Sync()
    issuers: Annotated[
        list[Issuer], Meta(description="Whose tokens are taken; also as JSON in INGESTBOX_ISSUERS.")
    ] = []
    lanes: Annotated[list[Lane], Meta(description="Upstreams; also as JSON in INGESTBOX_LANES.")] = []


LISTS: dict[str, type[msgspec.Struct]] = {"issuers": Issuer, "lanes": Lane}
"""The lists of the file, `[[…]]`; each entry has a name of its own."""


GROUPS: dict[str, type[msgspec.Struct]] = {"enrich": Enrich}
"""What has sections within it, `[enrich.language]`, and nothing else."""


def sections() -> dict[str, type[msgspec.Struct]]:
    """The sections of the file, by name (`work`, `enrich.language`), without the lists."""
    found = _structs(Settings)
    for group, struct in GROUPS.items():
        del found[group]
        found |= {f"{group}.{name}": section for name, section in _structs(struct).items()}
    return found


def _structs(struct: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct]]:
    hints = get_type_hints(struct)
    return {n: t for n, t in hints.items() if isinstance(t, type) and issubclass(t, msgspec.Struct)}
