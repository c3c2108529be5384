"""Our sentiment scores against those of the vaderSentiment package itself."""

import random
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vaderSentiment.vaderSentiment import (  # type: ignore[import-untyped]
    BOOSTER_DICT,
    NEGATE,
    SPECIAL_CASES,
    SentimentIntensityAnalyzer,
)

from ingestbox.enrich import tokens
from ingestbox.enrich import valence as module
from ingestbox.enrich.valence import Scores, Sentiment, scores, sentiment

with warnings.catch_warnings():
    # VADER opens its files with codecs.open, deprecated since Python 3.14.
    warnings.simplefilter("ignore", DeprecationWarning)
    ANALYSER = SentimentIntensityAnalyzer()

REVIEW = (
    "It was one of the worst movies I've seen, despite good reviews. Unbelievably bad acting!! "
    "Poor direction. VERY poor production. The movie was bad. Very bad movie. VERY BAD movie!"
)

# The sentences of VADER's own demonstration, which are also those of its README.
DEMO = [
    "VADER is smart, handsome, and funny.",
    "VADER is smart, handsome, and funny!",
    "VADER is very smart, handsome, and funny.",
    "VADER is VERY SMART, handsome, and FUNNY.",
    "VADER is VERY SMART, handsome, and FUNNY!!!",
    "VADER is VERY SMART, uber handsome, and FRIGGIN FUNNY!!!",
    "VADER is not smart, handsome, nor funny.",
    "The book was good.",
    "At least it isn't a horrible book.",
    "The book was only kind of good.",
    "The plot was good, but the characters are uncompelling and the dialog is not great.",
    "Today SUX!",
    "Today only kinda sux! But I'll get by, lol",
    "Make sure you :) or :D today!",
    "Catch utf-8 emoji such as 💘 and 💋 and 😁",
    "Not bad at all",
    "Sentiment analysis has never been good.",
    "Sentiment analysis has never been this good!",
    "Most automated sentiment analysis tools are shit.",
    "With VADER, sentiment analysis is the shit!",
    "Other sentiment analysis tools can be quite bad.",
    "On the other hand, VADER is quite bad ass",
    "VADER is such a badass!",
    "Without a doubt, excellent idea.",
    "Roger Dodger is one of the most compelling variations on this theme.",
    "Roger Dodger is at least compelling as a variation on the theme.",
    "Roger Dodger is one of the least compelling variations on this theme.",
    "Not such a badass after all.",
    "Without a doubt, an excellent idea.",
    REVIEW,
    "It was one of the worst movies I've seen, despite good reviews.",
    "Unbelievably bad acting!!",
    "Poor direction.",
    "VERY poor production.",
    "The movie was bad.",
    "Very bad movie.",
    "VERY BAD movie!",
    *("balloons", "cake", "candles", "happy birthday", "friends", "laughing", "smiling", "party"),
    *("riot", "fire", "fight", "blood", "mob", "war", "police", "tear gas"),
    "I'm surprised to see just how amazingly helpful VADER is!",
    "Je suis surpris de voir comment VADER est incroyablement utile !",
    "Ich bin überrascht zu sehen, nur wie erstaunlich nützlich VADER!",
    "Me sorprende ver sólo cómo increíblemente útil VADER!",
    "Sono sorpreso di vedere solo come incredibilmente utile VADER è!",
    "Я удивлен увидеть, как раз как удивительно полезно ВЕЙДЕРА!",
    "私はちょうどどのように驚くほど役に立つベイダーを見て驚いています!",
    "أنا مندهش لرؤية فقط كيف مثير للدهشة فيدر فائدة!",
    "我很惊讶地看到VADER是如此有用!",
    "我很驚訝地看到VADER是如此有用!",
]

# One row or more for each rule, and for each thing about it that one would not expect.
CASES = [
    *("", " ", "\n\t", "\u00a0\u2003", "!", "???", "...", "a", "-", "\ud800"),
    # Capitals: only where some token has none, and an emoticon or a number may be that token.
    *("GOOD", "GOOD BAD", "GOOD day", "good DAY", "GOOD 42", "GOOD :)", "I good", ":D GOOD", "BAD day"),
    # Two characters or fewer keep their punctuation.
    *("no, good", "no good", "(no) good", "ok", "ok!", '"ok"', "<3", "x<3x", ":)", ":).", "(:", "'good'"),
    # "no" before a rated word, within three words, with "or" and "nor".
    *("no good", "NO good", "NO good day", "no", "a no", "no problem here", "no x good", "no x y good"),
    *("no x or good", "no x nor good", "no bad or good", "no no good", "no GOOD x", "no no no"),
    # Boosters near and far, shouted, before negative words, and hidden by a rated word.
    *("very good", "very x good", "very x y good", "very x y z good", "VERY good", "VERY bad", "very bad"),
    *("barely good", "BARELY good", "barely bad", "x BARELY y bad", "very bad good", "so so so good", "very"),
    # Negations; "never so", "so" and "this" alone, "without doubt".
    *(
        "not good",
        "not x good",
        "not x y good",
        "not x y z good",
        "not not good",
        "not bad good",
        "xn'tx good",
    ),
    *("NOT good", "never so good", "never this good", "never good", "never so x good", "never x so good"),
    *("x this good", "x y this good", "x y so good", "so good", "x so y good", "never this x good"),
    *("without doubt good", "without x doubt good", "without doubt x good", "without good", "doubt good"),
    *(
        "without a good",
        "without a b good",
        "x without doubt good",
        "cannot good",
        "uh-uh good",
        "can't stand",
    ),
    # "least" with "at" and "very", also at the very beginning.
    *("least good", "at least good", "very least good", "x least good", "x y least good", "at x least good"),
    *("LEAST good", "least bad x", "least x good", "At Least good"),
    # Phrases, from the fourth token on; the rated word in, before and after them.
    *("the shit", "is the shit", "a is the shit", "a b is the shit", "good is the shit", "a b c the bomb"),
    *(
        "x y z bad ass",
        "x y bad ass",
        "good x y bad ass",
        "x y z bad ass good",
        "x y z bad a good",
        "bad ass",
    ),
    *("x y z yeah right", "x y z yeah right good", "x y z yeah right a good", "yeah right x good"),
    *(
        "x y z bus stop",
        "x y z bus stop good",
        "x y z kiss of death",
        "x y z kiss of death good",
        "a kiss of",
    ),
    *("x y z to die for", "x y z to die for good", "to die for good", "x y z beating heart", "beating heart"),
    *(
        "x y z the shit bomb",
        "x y z beating heart of death",
        "x y z badass",
        "X Y Z The SHIT",
        "the the bomb",
    ),
    *(
        "kiss of death x good",
        "x y bad ass of kiss of death",
        "not the bomb",
        "x y not the bomb",
        "bus stop x",
    ),
    # "kind of" rates neither word, and dampens from the fourth token on, also when negative.
    *("kind", "kind of", "kind of good", "x kind of good", "kind of x good", "x y kind of good", "kind ofx"),
    *(
        "x kind of bad",
        "Kind Of",
        "x sort of good",
        "just enough good",
        "x just enough good",
        "a sort of x bad",
    ),
    *(
        "sort of kind of good",
        "kind of sort of good",
        "x just enough x good",
        "kind, of good",
        "kind of, good",
    ),
    # "but": the first one counts; equal strengths confuse VADER, and so must they here.
    *("but", "good but", "but good", "good but bad", "good but bad but good", "BUT good", "bad, but, good"),
    *("good good but bad bad", "good great good great but bad bad good", "but good GOOD good x GOOD good"),
    *("kind of but good", "butt good", "like x x like but like very like like", "x y z bus stop but good"),
    # Punctuation.
    *(
        "good!",
        "good!!",
        "good!!!",
        "good!!!!",
        "good!!!!!",
        "bad!!!",
        "x!!!",
        "good bad!!",
        "good?",
        "good??",
    ),
    *("good???", "good????", "good?!?!", "bad???", "so: good?! bad!?", "good... bad", "good—bad", "“good”"),
    # Emoji: no space after a description, none doubled before; joined ones; those whose name has a "!".
    *(
        "😁",
        "😁😁",
        "x😁",
        "x 😁",
        "x  😁",
        "😁good",
        "good😁",
        "😁 good",
        "😁!",
        "😁\n",
        "\u00a0😁",
        "❤",
        "❤️",
    ),
    *(
        "👨‍👩‍👧",
        "🇻🇳",
        "1️⃣ good",
        "🔛 good",
        "good 🆙",
        "🆙🆙🆙 bad",
        "👍🏽",
        "NOT😁",
        "not 😁",
        "☹ but 😁",
        "©",
        "™",
    ),
    # Characters whose lower case is another letter's, or longer, and blanks beyond ASCII.
    *(
        "\u212aind of",
        "li\u212ae",
        "L\u0130ke",
        "ﬁne",
        "GROẞ good",
        "good\u2028bad",
        "good\u200bbad",
        "very\x1cgood",
    ),
    *("good\x85bad", "ΑΣ good", "rất tốt", "tuyệt vời 😍 good", "Good\u3000BAD", "good\x00", "\x1fgood\x1f"),
]


def reference(text: str) -> Scores:
    return Scores(**ANALYSER.polarity_scores(text))


def words_of(text: str) -> list[str]:
    return text.split()


def same(text: str) -> None:
    assert scores(text) == reference(text), repr(text)


@pytest.mark.parametrize("text", DEMO)
def test_demonstration(text: str) -> None:
    same(text)


@pytest.mark.parametrize("text", CASES)
def test_rule(text: str) -> None:
    same(text)
    same(f"{text} {text}")
    same(text.upper())
    same(f"{text} but Some more")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("VADER is smart, handsome, and funny.", Scores(0.0, 0.254, 0.746, 0.8316)),
        ("VADER is not smart, handsome, nor funny.", Scores(0.646, 0.354, 0.0, -0.7424)),
        ("Today only kinda sux! But I'll get by, lol", Scores(0.127, 0.556, 0.317, 0.5249)),
        ("Catch utf-8 emoji such as 💘 and 💋 and 😁", Scores(0.0, 0.583, 0.417, 0.875)),
    ],
)
def test_known_scores(text: str, expected: Scores) -> None:
    """What VADER's demonstration prints, written down."""
    assert scores(text) == expected


def test_tables() -> None:
    """Every entry, booster, negation and phrase of the package, alone and acting on a rated word."""
    words = [*ANALYSER.lexicon, *BOOSTER_DICT, *NEGATE, *SPECIAL_CASES]
    for word in words:
        for spelling in (word, word.upper(), word.title()):
            same(spelling)
            same(f"a {spelling} b c Good bad")
            same(f"x y {spelling} great")
    for emoji in ANALYSER.emojis:
        same(emoji)
        same(f"GOOD{emoji}bad {emoji}{emoji}!")


FILLERS = words_of("""
    a the an of to in it is was this that so at very least no or nor but never without doubt kind just
    enough sort bad ass yeah right bus stop kiss death die for beating heart shit bomb on and I we table
    Monday 42 x good great
""")
MARKS = [*words_of(":) :( :D ;) <3 ... !!! ?? — - ( ' n't"), '"', "\u200b", "İ", "\u212a", "\x00"]
EMOJI = "😁💘💋😀☹❤👍🏽🔛🆙©\u200d\ufe0f"
GLUE = [" "] * 12 + ["  ", "\n", "\t", "\r\n", "\u00a0", "\u2003", "\u2028", "\x1c", ""]
ENDS = [""] * 12 + [",", ".", "!", "?", "!!", "???", "…", ")", "'s", "😁", "-"]
MODIFIERS = [*BOOSTER_DICT, *NEGATE, *SPECIAL_CASES]
RATED = list(ANALYSER.lexicon)
CASINGS: list[Callable[[str], str]] = [str, str, str, str, str, str.upper, str.title]


def random_text(rng: random.Random) -> str:
    pieces: list[str] = []
    for _ in range(rng.choice([1, 2, 3, 4, 5, 6, 8, 12, 30])):
        source = rng.choices([RATED, MODIFIERS, FILLERS, MARKS, EMOJI], [25, 20, 47, 5, 3])[0]
        word = rng.choice(CASINGS)(rng.choice(source))
        pieces += (word, rng.choice(ENDS), rng.choice(GLUE))
    return "".join(pieces)


@pytest.mark.parametrize("seed", range(20))
def test_random_sentences(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(1000):
        same(random_text(rng))


def test_equal_strengths_around_but() -> None:
    """Ratings that halving and raising turn into each other; which of equals VADER changes matters here."""
    ratings = (0.5, 1.0, 1.5, 2.0, 3.0, -1.0, -1.5, -3.0)
    words = [next(w for w in RATED if w.isalpha() and ANALYSER.lexicon[w] == rating) for rating in ratings]
    rng = random.Random(11)
    for _ in range(2000):
        text = rng.choices(words, k=rng.randint(2, 12))
        text.insert(rng.randrange(len(text)), "but")
        same(" ".join(text))
    same(" ".join([*rng.choices(words, k=200), "but", *rng.choices(words, k=200)]))


def test_no_word_plays_two_parts() -> None:
    """The rules lean on this: a word of the lexicon, "no" apart, does nothing to those after it."""
    acting = [word for word in RATED if len(word.split()) == 1 and tokens.Token(word).acts]
    assert acting == ["no"]
    assert all(tokens.Token(word).rating for word in RATED)


WORDS = st.one_of(
    st.sampled_from(FILLERS),
    st.sampled_from(MODIFIERS),
    st.sampled_from(RATED),
    st.sampled_from(EMOJI),
    st.sampled_from(MARKS),
    st.text(max_size=4),
)
CASED = st.builds(lambda word, casing: casing(word), WORDS, st.sampled_from(CASINGS))
PIECES = st.tuples(CASED, st.sampled_from(ENDS), st.sampled_from(GLUE)).map("".join)


@settings(deadline=None, max_examples=400)
@given(st.lists(PIECES, max_size=15).map("".join))
def test_composed_sentences(text: str) -> None:
    same(text)


@settings(deadline=None, max_examples=200)
@given(st.text())
def test_any_text(text: str) -> None:
    same(text)
    result = sentiment(text)
    assert 0.5 <= result.confidence <= 1.0
    assert result.confidence == round(result.confidence, 4)


def test_long_texts() -> None:
    """VADER takes a time quadratic in these, so they are as long as it can bear."""
    rng = random.Random(7)
    same(" ".join(rng.choices([*FILLERS, *MODIFIERS, "GOOD", "sad!", "😁"], k=1500)))
    same("like good " * 200 + "but " + "like good great " * 150)
    same("good " * 500)
    # Beyond the length at which the text is cut, with and without a blank where the cut would be.
    for filler in ("wörds ", "word\n", "w" * 999 + " "):
        same("VERY good " + filler * (150_000 // len(filler)) + "not so bad! " + filler * 4 + "😁nice")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("!" * 1_000_000, Scores(0.0, 1.0, 0.0, 0.0)),
        ("x" * 1_000_000, Scores(0.0, 1.0, 0.0, 0.0)),
        (" " * 1_000_000, Scores(0.0, 0.0, 0.0, 0.0)),
        ("n't" * 300_000, Scores(0.0, 1.0, 0.0, 0.0)),
        ("good " * 200_000, Scores(0.0, 0.0, 1.0, 1.0)),
        ("bad " * 250_000, Scores(1.0, 0.0, 0.0, -1.0)),
        ("but " + "good " * 200_000, Scores(0.0, 0.0, 1.0, 1.0)),
        ("💘" * 250_000, Scores(0.0, 0.323, 0.677, 1.0)),
    ],
)
def test_a_million_bytes(text: str, expected: Scores) -> None:
    """Anything worse than linear would take minutes here, or hours."""
    assert scores(text) == expected


def test_memory_of_spellings_is_bounded() -> None:
    tokens.forget()
    scores("x" * tokens.CACHE_TOKEN_CHARS)
    assert tokens.remembered() == 1
    scores("x" * (tokens.CACHE_TOKEN_CHARS + 1))
    assert tokens.remembered() == 1
    before = scores("a VERY good day, isn't it?")
    for start in range(0, 3 * tokens.CACHE_ENTRIES, 1000):
        scores(" ".join(f"junk{i}" for i in range(start, start + 1000)))
        assert tokens.remembered() <= tokens.CACHE_ENTRIES
    assert scores("a VERY good day, isn't it?") == before == reference("a VERY good day, isn't it?")


@pytest.mark.parametrize(
    ("compound", "expected"),
    [
        (1.0, Sentiment("positive", 1.0)),
        (0.8316, Sentiment("positive", 0.9158)),
        (0.05, Sentiment("positive", 0.525)),
        (0.0499, Sentiment("neutral", 0.501)),
        (0.0123, Sentiment("neutral", 0.877)),
        (0.0, Sentiment("neutral", 1.0)),
        (-0.0123, Sentiment("neutral", 0.877)),
        (-0.0499, Sentiment("neutral", 0.501)),
        (-0.05, Sentiment("negative", 0.525)),
        (-0.7424, Sentiment("negative", 0.8712)),
        (-1.0, Sentiment("negative", 1.0)),
    ],
)
def test_labels(monkeypatch: pytest.MonkeyPatch, compound: float, expected: Sentiment) -> None:
    monkeypatch.setattr(module, "scores", lambda text: Scores(0.0, 1.0, 0.0, compound))
    assert sentiment("any") == expected


@pytest.mark.parametrize(
    ("text", "label"),
    [("The book was good.", "positive"), ("The book was bad.", "negative"), ("The book.", "neutral")],
)
def test_labels_of_texts(text: str, label: str) -> None:
    assert sentiment(text).label == label


def test_licence_lies_beside_the_tables() -> None:
    folder = Path(str(sys.modules[tokens.__name__].__file__)).parent / "vader"
    assert "C.J. Hutto" in (folder / "LICENSE.txt").read_text(encoding="utf-8")
