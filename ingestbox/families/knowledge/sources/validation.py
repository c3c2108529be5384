"""`POST …/sources/validate`: a source is looked at before it is crawled (contract: Source validation)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec
from msgspec import UNSET

from ingestbox.errors import IngestError
from ingestbox.families.knowledge.sources import bodies
from ingestbox.families.knowledge.sources.page import LEAST_TEXT, Findings, Page
from ingestbox.families.knowledge.sources.robots import READ_SECONDS, Robots, robots_of
from ingestbox.families.knowledge.sources.shapes import (
    SELECTORS,
    SelectorResult,
    SourceConfig,
    ValidationAnswer,
    ValidationResult,
)
from ingestbox.family import Ask
from ingestbox.outbound.fetched import Fetched, FetchError
from ingestbox.outbound.names import place_of
from ingestbox.route import Reply

MOST_BYTES = 2 * 1_048_576

USUAL_DELAY = 2
"""Seconds between two requests where a site says nothing."""

_LOOK = "ingestbox.families.knowledge.sources.page:look"
_HTML = ("text/html", "application/xhtml+xml")


async def validate(ask: Ask) -> Reply:
    """POST /knowledge-management/sources/validate."""
    config = bodies.config(ask.body)
    agent = ask.settings.outbound.user_agent if config.user_agent is UNSET else config.user_agent
    page, robots = await asyncio.gather(
        _page(ask, config.base_url, agent), _robots(ask, config.base_url, agent)
    )
    if isinstance(page, Fetched) and _origin(page.url) != _origin(config.base_url):
        there = await robots_of(ask, page.url, agent)
        robots = _both(robots, there)
    body, kind = (page.body, page.headers.get("content-type", "")) if isinstance(page, Fetched) else (b"", "")
    findings = await _look(ask, body, kind, config)
    return Reply(_answer(config, page, robots, findings))


async def _page(ask: Ask, url: str, agent: str) -> Fetched | FetchError:
    try:
        return await ask.box.fetch(url, agent, MOST_BYTES)
    except FetchError as error:
        return error


async def _robots(ask: Ask, url: str, agent: str) -> Robots:
    try:
        return await robots_of(ask, url, agent)
    except FetchError:  # of the URL itself, which is told with the page
        return Robots(False, None, ())


def _origin(url: str) -> str:
    return place_of(url).origin


def _both(here: Robots, there: Robots) -> Robots:
    delays = [each for each in (here.delay, there.delay) if each is not None]
    told = tuple(dict.fromkeys(here.told + there.told))
    return Robots(here.allowed and there.allowed, max(delays, default=None), told)


async def _look(ask: Ask, body: bytes, content_type: str, config: SourceConfig) -> Findings | None:
    """What is on the page; None if it cannot be read. Raises IngestError overloaded, shutting_down."""
    lists = {
        kind: [given] if isinstance(given, str) else list(given) for kind, given in config.selectors.items()
    }
    page = msgspec.msgpack.encode(Page(body, content_type, lists))
    try:
        found = await ask.box.compute(_LOOK, page, seconds=READ_SECONDS)
    except IngestError as error:
        if error.code != "validation_failed":
            raise
        return None
    return msgspec.msgpack.decode(found, type=Findings)


def _answer(
    config: SourceConfig, page: Fetched | FetchError, robots: Robots, findings: Findings | None
) -> ValidationAnswer:
    accessible = isinstance(page, Fetched) and 200 <= page.status < 300
    selectors = _selectors(findings)
    content = selectors.get("content")
    enough = findings is not None and findings.characters >= LEAST_TEXT
    result = ValidationResult(
        accessible=accessible,
        response_time=round(page.seconds, 3),
        content_found=accessible and (enough if content is None else bool(content.sample)),
        selectors_valid=findings is not None and all(each.valid for each in selectors.values()),
        robots_txt_compliant=robots.allowed,
        reason=_reason(page),
        status=page.status if isinstance(page, Fetched) else None,
        final_url=page.url if isinstance(page, Fetched) else None,
        language=findings.language if findings is not None and accessible else None,
        crawl_delay=robots.delay,
        selectors=selectors,
    )
    advice = _of_selectors(result, findings)
    if isinstance(page, Fetched) and accessible:
        advice += _of_page(config, page, findings)
    if isinstance(page, FetchError) and page.why in ("refused", "unknown"):
        return ValidationAnswer(validation_result=result, recommendations=advice)
    advice += robots.told
    if robots.delay is None:
        advice.append(f"Consider adding rate limiting of {USUAL_DELAY} seconds between requests")
    return ValidationAnswer(validation_result=result, recommendations=advice)


def _reason(page: Fetched | FetchError) -> str | None:
    if isinstance(page, FetchError):
        return page.told
    return None if 200 <= page.status < 300 else f"The site answered {page.status}."


def _selectors(findings: Findings | None) -> dict[str, SelectorResult]:
    if findings is None:
        return {}
    return {
        kind: SelectorResult(
            valid=each.invalid is None,
            found=each.found,
            sample=each.sample,
            error=None if each.invalid is None else f"`{each.invalid}` is no CSS selector that can be used.",
        )
        for kind, each in findings.chosen.items()
    }


def _of_selectors(result: ValidationResult, findings: Findings | None) -> list[str]:
    if findings is None:
        return ["The page cannot be read: it takes too long, with these selectors"]
    advice: list[str] = []
    missing = [kind for kind in SELECTORS if kind not in result.selectors]
    if missing:
        advice.append(f"Give selectors for {', '.join(missing)}, so that they are not guessed")
    for kind, each in result.selectors.items():
        if each.error is not None:
            advice.append(f"Correct the selector of {kind}: {each.error[:-1]}")
        elif result.accessible and not each.found:
            advice.append(f"The selector of {kind} finds nothing on this page")
        elif result.accessible and not each.sample:
            advice.append(f"What the selector of {kind} finds on this page has no text")
    return advice


def _of_page(config: SourceConfig, page: Fetched, findings: Findings | None) -> list[str]:
    advice: list[str] = []
    kind = page.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _HTML:
        advice.append(
            f"The page is no HTML, but {kind[:60] or 'of no type'}: give the address of one that is"
        )
    if page.cut:
        advice.append(f"Only the first {MOST_BYTES >> 20} MB of the page were looked at: it is very long")
    if _origin(page.url) != _origin(config.base_url):
        advice.append(f"The site leads on to another one: use {_origin(page.url)} for base_url")
    if page.url.startswith("http:"):
        advice.append("The page comes without encryption: use https if the site has it")
    if findings is None:
        return advice
    if "noindex" in (findings.robots + _header(page.headers)).lower():
        advice.append("The page asks not to be indexed (noindex): leave it out, or ask the site")
    if findings.characters < LEAST_TEXT:
        advice.append("The page has hardly any text: it may need a browser that runs its scripts")
    wanted = "" if config.language is UNSET else config.language.partition("-")[0]
    if wanted and findings.language not in (None, "other", wanted):
        advice.append(f"The page seems to be in {findings.language}, and not in {wanted}")
    return advice


def _header(headers: Mapping[str, str]) -> str:
    return f",{headers.get('x-robots-tag', '')}"
