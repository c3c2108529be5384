"""Bodies about sources, looked at member by member: every fault is told."""

from __future__ import annotations

import re
from typing import Any

from msgspec import UNSET, UnsetType

from ingestbox import strictjson
from ingestbox.errors import Fault, IngestError
from ingestbox.families.knowledge.check import MOST_SOURCE
from ingestbox.families.knowledge.sources import frequency
from ingestbox.families.knowledge.sources.shapes import (
    MOST_LISTS,
    MOST_NAME,
    MOST_SELECTOR,
    MOST_TYPE,
    NOT_AN_ID,
    SELECTORS,
    STATUSES,
    NewSource,
    Selectors,
    SourceChange,
    SourceConfig,
)
from ingestbox.outbound.fetched import FetchError
from ingestbox.outbound.names import place_of

_TYPE = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", re.ASCII)
_AGENT = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+([/ ][ -~]*)?", re.ASCII)


def new_source(body: bytes) -> NewSource:
    """The source that a body asks for. Raises IngestError: malformed_json, validation_failed."""
    reading = _Reading(strictjson.decode(body), "The body")
    made = NewSource(
        id=_or(reading.id(required=True), ""),
        name=_or(reading.name(required=True), ""),
        base_url=_or(reading.base_url(), None),
        type=_or(reading.type(), "unknown"),
        language=_or(reading.language(), "vi"),
        crawl_frequency=_or(reading.crawl_frequency(), frequency.UNKNOWN),
        selectors=_or(reading.selectors(), {}),
        status=_or(reading.status(), "active"),
    )
    reading.end()
    return made


def change(body: bytes) -> SourceChange:
    """The change that a body asks for. Raises as `new_source` does."""
    reading = _Reading(strictjson.decode(body), "The body")
    made = SourceChange(
        name=reading.name(),
        base_url=reading.base_url(),
        type=reading.type(),
        language=reading.language(),
        crawl_frequency=reading.crawl_frequency(),
        selectors=reading.selectors(),
        status=reading.status(),
    )
    reading.end()
    return made


def config(body: bytes) -> SourceConfig:
    """What a body wants to have looked at. Its URL is a text, whatever it leads to: that is a finding.
    Selectors that are no CSS are findings too. Raises as `new_source` does."""
    around = strictjson.decode(body)
    if not isinstance(around, dict) or "source_config" not in around:
        raise _refused([Fault("missing_required", "source_config is required", field="source_config")])
    reading = _Reading(around["source_config"], "source_config", "source_config.")
    made = SourceConfig(
        base_url=_or(reading.text("base_url", 10_000, required=True), ""),
        id=reading.id(),
        name=reading.name(),
        type=reading.type(),
        language=reading.language(),
        crawl_frequency=reading.crawl_frequency(),
        selectors=_or(reading.selectors(), {}),
        user_agent=reading.user_agent(),
    )
    reading.end()
    return made


def _or(value: Any, otherwise: Any) -> Any:
    return otherwise if value is UNSET else value


def _refused(faults: list[Fault]) -> IngestError:
    return IngestError("validation_failed", "Source validation failed", faults=faults, status=400)


class _Reading:
    """Members of an object by name; null is as if it were not there, but for `base_url`."""

    def __init__(self, value: object, told: str, prefix: str = "") -> None:
        if not isinstance(value, dict):
            raise _refused([Fault("wrong_type", f"{told} must be an object", field=prefix[:-1])])
        self._given: dict[str, Any] = value
        self._prefix = prefix
        self._faults: list[Fault] = []

    def text(self, name: str, most: int, *, required: bool = False) -> str | UnsetType:
        value = self._given.get(name)
        if value is None or (isinstance(value, str) and not value.strip() and required):
            if required:
                self._fault("missing_required", name, f"{name} is required")
            return UNSET
        if not isinstance(value, str):
            self._fault("wrong_type", name, f"{name} must be text")
        elif not (0 < len(value.strip()) <= most and value.isprintable()):
            self._fault("invalid", name, f"{name} must have 1 to {most} printable characters")
        else:
            return value.strip()
        return UNSET

    def id(self, *, required: bool = False) -> str | UnsetType:
        given = self.text("id", MOST_SOURCE, required=required)
        if given == NOT_AN_ID:
            self._fault("invalid", "id", f"id cannot be {NOT_AN_ID}: at that address sources are looked at")
        return given

    def name(self, *, required: bool = False) -> str | UnsetType:
        return self.text("name", MOST_NAME, required=required)

    def base_url(self) -> str | UnsetType | None:
        if "base_url" in self._given and self._given["base_url"] is None:
            return None
        url = self.text("base_url", 2_048)
        if isinstance(url, str):
            try:
                place_of(url)
            except FetchError as error:
                self._fault("invalid_url", "base_url", f"base_url is no URL to crawl: {error.told}")
        return url

    def type(self) -> str | UnsetType:
        sentence = "type must be a word in lower case, such as government, hospital or news"
        return self._word("type", _TYPE, MOST_TYPE, sentence)

    def language(self) -> str | UnsetType:
        return self._word("language", _LANGUAGE, 35, "language must be a language's code, such as vi")

    def user_agent(self) -> str | UnsetType:
        return self._word(
            "user_agent", _AGENT, 256, "user_agent must be a product name, such as CareCircle-Crawler/1.0"
        )

    def crawl_frequency(self) -> str | UnsetType:
        text = self.text("crawl_frequency", 50)
        if isinstance(text, str):
            try:
                frequency.every_ms(text)
            except frequency.FrequencyError:
                self._fault("invalid", "crawl_frequency", f"crawl_frequency must be {frequency.SAYS}")
        return text

    def status(self) -> Any:
        value = self._given.get("status")
        if value is None:
            return UNSET
        if value not in STATUSES:
            self._fault("invalid", "status", f"status must be one of {', '.join(STATUSES)}")
        return value

    def selectors(self) -> Selectors | UnsetType:
        value = self._given.get("selectors")
        if value is None:
            return UNSET
        if not isinstance(value, dict):
            self._fault("wrong_type", "selectors", "selectors must be an object")
            return UNSET
        found: Selectors = {}
        for name, given in value.items():
            field = f"selectors.{name[:40]}"
            if name not in SELECTORS:
                self._fault("unknown", field, f"selectors has {', '.join(SELECTORS)}, and no {name[:40]!r}")
            elif given is not None and given != [] and self._lists(field, given):
                found[name] = given
        return found

    def _lists(self, field: str, given: object) -> bool:
        texts: list[Any] = given if isinstance(given, list) else [given]
        if len(texts) > MOST_LISTS or not all(isinstance(each, str) for each in texts):
            self._fault("wrong_type", field, f"{field} must be text, or a list of up to {MOST_LISTS} texts")
            return False
        if not all(each.strip() and len(each) <= MOST_SELECTOR for each in texts):
            self._fault("invalid", field, f"{field}: a selector has 1 to {MOST_SELECTOR} characters")
            return False
        return True

    def _word(self, name: str, pattern: re.Pattern[str], most: int, sentence: str) -> str | UnsetType:
        text = self.text(name, most)
        if isinstance(text, str) and not pattern.fullmatch(text):
            self._fault("invalid", name, sentence)
        return text

    def _fault(self, code: str, name: str, sentence: str) -> None:
        self._faults.append(Fault(code, sentence, field=self._prefix + name))

    def end(self) -> None:
        """Raises IngestError, if there is anything wrong."""
        if self._faults:
            raise _refused(self._faults)
