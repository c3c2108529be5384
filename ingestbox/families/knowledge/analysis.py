"""What is found out about articles, from their records and the types of their sources. Light and pure, for
children import it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from ingestbox.enrich import cleaning, fingerprint, medical, passages, quality
from ingestbox.enrich.duplicates import text_hash
from ingestbox.enrich.facts import Entity, Language, LanguageCode
from ingestbox.enrich.steps import Steps
from ingestbox.families.knowledge.check import hash_differs
from ingestbox.families.knowledge.entities import LABELS, gather
from ingestbox.families.knowledge.result import Found, Named, Part, PassageSpan, Tongue, Warned

DECLARED: Final = "vi"
"""The language of an item that does not say it."""

DOUBTFUL: Final = 0.5
"""A text whose language is less sure is read in the one that was declared."""

LEAST_COST: Final = 0.03
MOST_REASONS: Final = 3
"""What a low quality is explained by: the parts that cost most, each so much of the score at least."""

_RULES: Final = {
    "cleaning": cleaning.RULES,
    "passages": passages.RULES,
    "medical": medical.RULES,
    "quality": quality.RULES,
    "fingerprint": fingerprint.RULES,
}


@dataclass(slots=True)
class Article:
    """An article while it is looked at; `by` says who did which step."""

    record: Mapping[str, Any]
    source_type: str
    cleaned: cleaning.Cleaned
    language: Language = Language("other", 0.0)  # noqa: RUF009 - frozen
    keywords: list[str] = field(default_factory=list)
    named: list[Entity] = field(default_factory=list)
    by: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """What of it is read."""
        return self.cleaned.text

    @property
    def declared(self) -> str:
        """The language that the item said."""
        given = self.record.get("language")
        return given if isinstance(given, str) and given else DECLARED

    @property
    def read_in(self) -> LanguageCode:
        """The language that it is read in."""
        if self.language.confidence < DOUBTFUL and self.declared in ("vi", "en"):
            return cast("LanguageCode", self.declared)
        return self.language.code


def analyse(records: Sequence[Mapping[str, Any]], sources: Sequence[str], steps: Steps) -> list[Found]:
    """What is found out about each, in order; `sources` are the types of their sources, empty where one is
    not known. Each step sees all of their texts at once."""
    articles = [
        Article(record, source, cleaning.clean(record["content"]))
        for record, source in zip(records, sources, strict=True)
    ]
    texts = [article.text for article in articles]
    languages = steps.languages(texts)
    for article, language, by in zip(articles, languages.found, languages.by, strict=True):
        article.language, article.by["language"] = language, by
    read_in = [article.read_in for article in articles]
    keywords = steps.keywords(texts, read_in)
    for article, words, by in zip(articles, keywords.found, keywords.by, strict=True):
        article.keywords, article.by["keywords"] = words, by
    entities = steps.entities(texts, read_in)
    for article, named, by in zip(articles, entities.found, entities.by, strict=True):
        article.named, article.by["entities"] = named, by
    return [_found(article) for article in articles]


def _found(article: Article) -> Found:
    record, text = article.record, article.text
    gathered = gather(text, record, _named(article))
    rated = quality.quality(
        text,
        record["title"],
        entities=len({(each.text.casefold(), each.type) for each in gathered.entities}),
        source_type=article.source_type,
        authority_score=_authority(record.get("metadata")),
        declared=article.declared,
        detected=article.language.code,
        confidence=article.language.confidence,
    )
    return Found(
        text=text,
        text_hash=text_hash(record["content"]).hex(),
        cleaning={"removed": article.cleaned.removed, "spared": article.cleaned.spared},
        language=Tongue(
            code=article.language.code,
            confidence=article.language.confidence,
            declared=article.declared,
            matches=article.declared == article.language.code,
        ),
        passages=[PassageSpan(each.start, each.end) for each in passages.passages(text)],
        keywords=article.keywords,
        entities=gathered.entities,
        quality_score=rated.score,
        quality={
            name: Part(score=part.score, weight=part.weight, why=part.why)
            for name, part in rated.parts.items()
        },
        fingerprint=fingerprint.fingerprint(text).hex,
        warnings=[*_warnings(article), *gathered.warnings],
        steps={**article.by, **_RULES},
    )


def _named(article: Article) -> list[Named]:
    """What was found in the text, in order, each once at its place."""
    text = article.text
    found: list[tuple[int, int, str]] = [
        (each.start, each.end, each.type) for each in medical.medical(text, article.read_in)
    ]
    found += [(each.start, each.end, LABELS[each.label]) for each in article.named if each.label in LABELS]
    return [
        Named(text=text[start:end], type=kind, confidence=None, start=start, end=end, given=False)
        for start, end, kind in sorted(set(found))
        if 0 <= start < end <= len(text)
    ]


def _authority(metadata: object) -> float | None:
    """What the crawler said of the page (0 to 100), if it is a number."""
    given = metadata.get("authority_score") if isinstance(metadata, Mapping) else None
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    return float(given) if 0 <= given <= 100 else None


def _warnings(article: Article) -> list[Warned]:
    found, language = [], article.language
    if article.declared != language.code and language.confidence >= DOUBTFUL:
        sentence = (
            f"Declared as {article.declared}, but the text looks like {language.code} "
            f"(confidence {language.confidence:.2f})."
        )
        found.append(Warned("language_mismatch", sentence))
    if hash_differs(dict(article.record)):
        found.append(Warned("content_hash_mismatch", "The item's content_hash is not that of its content."))
    return found


def low_quality(found: Found, limit: float) -> str | None:
    """Why an article is held, in sentences: its quality is below the limit. None if it is not."""
    if found.quality_score >= limit:
        return None
    costs = sorted(
        ((part.weight * (1 - part.score), name) for name, part in found.quality.items()), reverse=True
    )
    reasons = [
        f"{name.capitalize()} {found.quality[name].score:.2f}: {found.quality[name].why}."
        for cost, name in costs[:MOST_REASONS]
        if cost >= LEAST_COST
    ]
    return " ".join([f"Quality {found.quality_score:.2f} is below {limit:.2f}.", *reasons])
