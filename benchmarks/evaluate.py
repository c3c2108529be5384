"""`python -m benchmarks.evaluate [--errors] [steps…]`: how well the analyses agree with the labelled samples.

For each step, language and split: accuracy and macro-F1 beside those of a baseline, which labels are taken
for which, and whether a confidence is the share that is right (ECE: the mean distance of the two). The
baseline gives every text the most frequent label; for English there is also plain VADER with its usual border
of 0.05. Entities count when both span and label are exactly right.

The confidence of English sentiment is a function of how far a text's balance is beyond the border of its
label (``english/verdict.py``). Its points are the shares right among the dev samples in bins of that
distance, less what new texts lost that no rule had been tuned on; `held` shows whether that holds.
"""

from __future__ import annotations

import click
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # type: ignore[import-untyped]

from benchmarks.evaluating import (
    SAMPLES,
    SPLITS,
    Judged,
    calibration,
    expected_error,
    f1,
    judged,
    labelled,
    majority,
    marked,
    report,
    spans,
)
from ingestbox.enrich.entities import entities
from ingestbox.enrich.facts import LanguageCode
from ingestbox.enrich.language import language
from ingestbox.enrich.sentiment import sentiment

SENTIMENTS: dict[str, LanguageCode] = {"sentiment_en.tsv": "en", "sentiment_vi.tsv": "vi"}
ENTITIES: dict[str, LanguageCode] = {"entities_en.txt": "en", "entities_vi.txt": "vi"}
_VADER = SentimentIntensityAnalyzer()
STEPS = ("sentiment", "language", "entities")


def vader(text: str) -> tuple[str, float | None]:
    """VADER's own label: its compound beyond ±0.05, as its authors advise."""
    compound = _VADER.polarity_scores(text)["compound"]
    return ("positive" if compound >= 0.05 else "negative" if compound <= -0.05 else "neutral"), None


def sentiments(name: str, code: LanguageCode, *, errors: bool) -> None:
    def judge(text: str) -> tuple[str, float | None]:
        found = sentiment(text, code)
        return found.label, found.confidence

    for split in SPLITS:
        samples = [each for each in labelled(name) if each.split == split]
        baselines = {"majority": judged(samples, majority(samples))}
        if code == "en":
            baselines["VADER"] = judged(samples, vader)
        tell(f"sentiment, {code}, {split}", judged(samples, judge), baselines, errors=errors)


def languages(name: str, *, errors: bool) -> None:
    def judge(text: str) -> tuple[str, float | None]:
        found = language(text)
        return found.code, found.confidence

    for split in SPLITS:
        samples = [each for each in labelled(name) if each.split == split]
        baselines = {"majority": judged(samples, majority(samples))}
        tell(f"language, {split}", judged(samples, judge), baselines, errors=errors)


def tell(title: str, results: list[Judged], baselines: dict[str, list[Judged]], *, errors: bool) -> None:
    """Print the agreement of `results`, and what is wrong if `errors`."""
    ours = report(results)
    print(f"\n{title}: {ours.texts} texts")
    print(f"  {'':12}{'accuracy':>10}{'macro-F1':>10}")
    print(f"  {'ours':12}{ours.accuracy:>10.3f}{ours.macro_f1:>10.3f}")
    for name, baseline in baselines.items():
        theirs = report(baseline)
        print(f"  {name:12}{theirs.accuracy:>10.3f}{theirs.macro_f1:>10.3f}")
    print("  taken for:  " + "".join(f"{label:>10}" for label in ours.labels))
    for label in ours.labels:
        print(f"  {label:12}" + "".join(f"{ours.confusion[label, other]:>10}" for other in ours.labels))
    bins = calibration(results)
    print(f"  confidence  (ECE {expected_error(bins):.3f})")
    for part in bins:
        print(f"    said {part.confidence:.2f}, right {part.right:.2f}, of {part.texts} texts")
    if errors:
        for each in results:
            if not each.right:
                print(f"  {each.sample.label} taken for {each.label}: {each.sample.text}")


def spans_of(name: str, code: LanguageCode, *, errors: bool) -> None:
    for split in SPLITS:
        pairs = [
            (text, {(each.start, each.end, str(each.label)) for each in entities(text.text, code)})
            for text in marked(name)
            if text.split == split
        ]
        scores = spans(pairs)
        right, found, wanted = (sum(column) for column in zip(*scores.values(), strict=True))
        # A label that is nowhere wanted has no score of its own; finding it costs in the micro score.
        macro = [each.f1 for each in scores.values() if each.wanted]
        print(f"\nentities, {code}, {split}: {len(pairs)} texts, {wanted} entities")
        print(f"  micro-F1 {f1(right, found, wanted):.3f}, macro-F1 {sum(macro) / len(macro):.3f}")
        print(f"  {'':14}{'F1':>7}{'right':>7}{'found':>7}{'wanted':>7}")
        for label, each in scores.items():
            print(f"  {label:14}{each.f1:>7.3f}{each.right:>7}{each.found:>7}{each.wanted:>7}")
        if errors:
            for text, here in pairs:
                for start, end, label in sorted(here ^ text.entities):
                    what = "found" if (start, end, label) in here else "missed"
                    print(f"  {what} {label} {text.text[start:end]!r}: {text.text}")


@click.command()
@click.argument("steps", nargs=-1, type=click.Choice(STEPS))
@click.option("--errors", is_flag=True, help="List what is wrong.")
def main(steps: tuple[str, ...], errors: bool) -> None:
    """Measures the analyses against the labelled samples. Without STEPS, all of them."""
    chosen = steps or STEPS
    if "sentiment" in chosen:
        for name, code in SENTIMENTS.items():
            if (SAMPLES / name).exists():
                sentiments(name, code, errors=errors)
    if "language" in chosen and (SAMPLES / "language.tsv").exists():
        languages("language.tsv", errors=errors)
    if "entities" in chosen:
        for name, code in ENTITIES.items():
            if (SAMPLES / name).exists():
                spans_of(name, code, errors=errors)


if __name__ == "__main__":
    main()
