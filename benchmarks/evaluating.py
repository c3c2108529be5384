"""The labelled samples of ``tests/enrich/samples`` and how well an analysis agrees with them.

``sentiment_<language>.tsv`` has the columns split, label, domain, text; ``language.tsv`` split, label, text;
``entities_<language>.txt`` split, domain and the text with each entity as ``[text](LABEL)``. The split is
``dev``, which the rules may be tuned on, or ``held``, which they are only measured on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

SAMPLES: Final = Path(__file__).parent.parent / "tests" / "enrich" / "samples"
SPLITS: Final = ("dev", "held")

BINS: Final = 10
"""Bins of the calibration, of equal width."""


class Sample(NamedTuple):
    """A text, the label it ought to have, its split, and the field it comes from ("" if not said)."""

    split: str
    label: str
    domain: str
    text: str


class Judged(NamedTuple):
    """A sample, the label it was given, and the confidence in that (None where there is none)."""

    sample: Sample
    label: str
    confidence: float | None = None

    @property
    def right(self) -> bool:
        """Whether the label is the one it ought to have."""
        return self.label == self.sample.label


class Report(NamedTuple):
    """How well labels agree with those they ought to be."""

    labels: tuple[str, ...]
    texts: int
    accuracy: float
    macro_f1: float
    confusion: Counter[tuple[str, str]]
    """How often a label (first) was taken for another (second)."""


class Bin(NamedTuple):
    """Texts of like confidence: how many, their mean confidence, and the share that is right."""

    texts: int
    confidence: float
    right: float


def labelled(name: str) -> list[Sample]:
    """Return the samples of the table `name`; ValueError says what is wrong with a line."""
    lines = (SAMPLES / name).read_text(encoding="utf-8").splitlines()
    columns = lines[0].split("\t")
    samples = []
    for number, line in enumerate(lines[1:], 2):
        cells = line.split("\t")
        if len(cells) != len(columns) or cells[0] not in SPLITS:
            raise ValueError(f"{name}, line {number}: {len(cells)} cells, split {cells[0]!r}")
        row = dict(zip(columns, cells, strict=True))
        samples.append(Sample(row["split"], row["label"], row.get("domain", ""), row["text"]))
    return samples


def judged(samples: Iterable[Sample], judge: Callable[[str], tuple[str, float | None]]) -> list[Judged]:
    """Return what `judge` (label and confidence of a text) says of each of `samples`."""
    return [Judged(sample, *judge(sample.text)) for sample in samples]


def f1(right: int, given: int, wanted: int) -> float:
    """Return the harmonic mean of precision and recall."""
    return 2 * right / (given + wanted) if given + wanted else 0.0


def report(results: Sequence[Judged]) -> Report:
    """Return the agreement of `results`; the labels are those that the samples have."""
    labels = tuple(sorted({each.sample.label for each in results}))
    confusion = Counter((each.sample.label, each.label) for each in results)
    wanted = Counter(each.sample.label for each in results)
    given = Counter(each.label for each in results)
    scores = [f1(confusion[label, label], given[label], wanted[label]) for label in labels]
    right = sum(each.right for each in results)
    return Report(
        labels=labels,
        texts=len(results),
        accuracy=right / len(results),
        macro_f1=sum(scores) / len(scores),
        confusion=confusion,
    )


def majority(samples: Sequence[Sample]) -> Callable[[str], tuple[str, float | None]]:
    """Return the judge that gives every text the most frequent label of `samples`."""
    label = Counter(sample.label for sample in samples).most_common(1)[0][0]
    return lambda _: (label, None)


def calibration(results: Iterable[Judged]) -> list[Bin]:
    """Return the bins of `results` that have a confidence, lowest first, without empty ones."""
    bins: list[list[Judged]] = [[] for _ in range(BINS)]
    for each in results:
        if each.confidence is not None:
            bins[min(int(each.confidence * BINS), BINS - 1)].append(each)
    return [
        Bin(
            len(members),
            sum(each.confidence or 0.0 for each in members) / len(members),
            sum(each.right for each in members) / len(members),
        )
        for members in bins
        if members
    ]


def expected_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error: how far confidence and share of right ones are apart."""
    whole = sum(each.texts for each in bins)
    return sum(each.texts * abs(each.confidence - each.right) for each in bins) / whole if whole else 0.0


class Marked(NamedTuple):
    """A text and the entities it holds, as (start, end, label)."""

    split: str
    text: str
    entities: frozenset[tuple[int, int, str]]


_ENTITY: Final = re.compile(r"\[([^\[\]]+)\]\(([A-Z]+)\)")


def marked(name: str) -> Iterator[Marked]:
    """Yield the texts of the file `name`, in which entities are marked."""
    for line in (SAMPLES / name).read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        split, _, source = line.split("\t")
        text, last, entities = "", 0, set()
        for found in _ENTITY.finditer(source):
            text += source[last : found.start()]
            entities.add((len(text), len(text) + len(found[1]), found[2]))
            text += found[1]
            last = found.end()
        yield Marked(split, text + source[last:], frozenset(entities))


class Spans(NamedTuple):
    """Entities of one label: how many are exactly right, how many were found, how many there are."""

    right: int
    found: int
    wanted: int

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return f1(self.right, self.found, self.wanted)


def spans(pairs: Iterable[tuple[Marked, Iterable[tuple[int, int, str]]]]) -> dict[str, Spans]:
    """Return, for each label, how the entities found agree with the marked ones, in span and label alike."""
    right: Counter[str] = Counter()
    found: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    for text, entities in pairs:
        here = set(entities)
        found.update(label for _, _, label in here)
        wanted.update(label for _, _, label in text.entities)
        right.update(label for _, _, label in here & text.entities)
    return {
        label: Spans(right[label], found[label], wanted[label])
        for label in sorted(found.keys() | wanted.keys())
    }
