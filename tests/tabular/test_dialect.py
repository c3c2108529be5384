"""How tables are written: one case per habit of people and programs."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence

import pytest

from ingestbox.tabular import dialect

# Name: text, delimiter, quote (None: any), header, index of the header's first line.
CASES: dict[str, tuple[str, str, str | None, list[str], int]] = {
    "semi polluted": (
        (
            'id;text;x\r\n1;"hello; ""you""\r\nthere";3\r\n\r\n2;"good, a\r\n3;"bad";5\r\n'
            '4;"He said "hi" to";6\r\n5;a;b;c\r\n6;z\r\n7;"open'
        ),
        ";",
        '"',
        ["id", "text", "x"],
        0,
    ),
    "comma": ("id,text\n1,good\n2,bad\n", ",", '"', ["id", "text"], 0),
    "comma quoted": ('id,text\n1,"good, very"\n2,"bad, not"\n', ",", '"', ["id", "text"], 0),
    "semi prose commas": (
        "id;text\n1;good, very good, nice\n2;bad, bad, bad, well\n3;ok\n",
        ";",
        '"',
        ["id", "text"],
        0,
    ),
    "decimal": ("name;price;qty\nA;1,5;2,0\nB;2,5;3,0\n", ";", '"', ["name", "price", "qty"], 0),
    "one col": ("comment\nGood, thanks\nBad, sorry\nOk, fine\n", "", '"', ["comment"], 0),
    "one col varied": ("comment\nGood, thanks, bye\nBad\nOk, fine\nWell; not\n", "", '"', ["comment"], 0),
    "one col clean": ("comment\nGood\nBad\n", "", '"', ["comment"], 0),
    "one col quoted": ('comment\n"Good, thanks"\n"Bad, really"\n', "", '"', ["comment"], 0),
    "tab": ("id\ttext\n1\tHello, you; there\n2\tb, c\n", "\t", '"', ["id", "text"], 0),
    "pipe": ("id|text\n1|Hello, you\n2|b, c\n", "|", '"', ["id", "text"], 0),
    "sep": ("sep=;\nid;text\n1;a,b\n", ";", '"', ["id", "text"], 1),
    "preamble": (
        "Feedback report 2024\nCreated by: Ann, Bob\n\nid,text,score\n1,good,5\n2,bad,1\n3,ok,3\n4,fine,2\n",
        ",",
        '"',
        ["id", "text", "score"],
        3,
    ),
    "meta preamble": (
        "Report,Feedback\nDate,2024-01-01\n\nid,text,score\n1,good,5\n2,bad,1\n3,ok,3\n",
        ",",
        '"',
        ["id", "text", "score"],
        3,
    ),
    "excel preamble": (
        "Feedback report;;;\n;;;\nid;text;score;who\n1;good;5;a\n2;bad;1;b\n3;ok;3;c\n",
        ";",
        '"',
        ["id", "text", "score", "who"],
        2,
    ),
    "unquoted commas": (
        "id,text\n1,good, but slow\n2,bad\n3,well, I think, not\n4,yes\n5,a, b\n",
        ",",
        '"',
        ["id", "text"],
        0,
    ),
    "single quotes": ("id,text\n1,'good, yes'\n2,'bad, no'\n3,'x, y, z'\n", ",", "'", ["id", "text"], 0),
    "apostrophes": ("id,text\n1,it's good\n2,don't\n3,'tis\n", ",", '"', ["id", "text"], 0),
    "tsv quotes none": (
        'id\ttext\n1\t5" screen\n2\t"quoted start\n3\tthe "best"\n4\tplain\n',
        "\t",
        None,
        ["id", "text"],
        0,
    ),
    "backslash": ('id,text\n1,"say \\"hi\\", ok"\n2,"a, b"\n', ",", '"', ["id", "text"], 0),
    "space quote": (
        'id, text, who\n1, "good, nice", Ann\n2, "bad, no", Bob\n',
        ",",
        '"',
        ["id", "text", "who"],
        0,
    ),
    "header only": ("id,text\n", ",", '"', ["id", "text"], 0),
    "header only semi": ("id;text;author\n", ";", '"', ["id", "text", "author"], 0),
    "trailing delim": ("id,text\n1,good,\n2,bad,\n3,ok,\n", ",", '"', ["id", "text"], 0),
    "R style": ("text,score\n1,good,5\n2,bad,4\n3,ok,3\n", ",", '"', ["text", "score", ""], 0),
    "multi line": (
        'id,text,who\n1,"first\nsecond, third\n\nfourth",Ann\n2,"x\ny",Bob\n',
        ",",
        '"',
        ["id", "text", "who"],
        0,
    ),
    "cr": ("id,text\r1,a\r2,b\r", ",", '"', ["id", "text"], 0),
    "all quoted": ('"id";"text"\n"1";"a, b; c"\n"2";"d"\n', ";", '"', ["id", "text"], 0),
    "times": ("at;text\n10:30;a\n11:45;b|c\n", ";", '"', ["at", "text"], 0),
    "comma in header names": (
        'id;"name, first";text\n1;"Doe, J";a\n2;"Roe, K";b\n',
        ";",
        '"',
        ["id", "name, first", "text"],
        0,
    ),
    "jira comments": (
        (
            'Key,Summary,Comment,Comment\nA-1,slow,"01/Jan/24 10:00 AM;ann;It is slow; really",\n'
            'A-2,bad,"02/Jan/24 10:00 AM;bob;x","03/Jan/24 10:00 AM;ann;y"\n'
        ),
        ",",
        '"',
        ["Key", "Summary", "Comment", "Comment"],
        0,
    ),
    "jira single": (
        "Key,Comment\nA-1,01/Jan/24 10:00 AM;ann;It is slow\nA-2,02/Jan/24 10:00 AM;bob;x\n",
        ",",
        '"',
        ["Key", "Comment"],
        0,
    ),
    "pipes in text": ("id,text\n1,a|b|c\n2,d|e|f\n", ",", '"', ["id", "text"], 0),
    "long text semis": ('id,text\n1,"a; b; c"\n2,"d; e; f"\n', ",", '"', ["id", "text"], 0),
    "two cols one row": ("id;text\n1;Hello, world, a, b\n", ";", '"', ["id", "text"], 0),
    "vi": (
        "mã;nội dung;đánh giá\n1;Giao hàng chậm, nhân viên thân thiện;3\n2;Tốt, rẻ;5\n",
        ";",
        '"',
        ["mã", "nội dung", "đánh giá"],
        0,
    ),
    "unescaped inner": ('id,text\n1,"He said "hi" ok"\n2,"fine"\n', ",", '"', ["id", "text"], 0),
    "blank first": ("\n\nid,text\n1,a\n2,b\n", ",", '"', ["id", "text"], 2),
    "title then one col": ("Title of report\n\nid,text\n1,a\n2,b\n3,c\n", ",", '"', ["id", "text"], 2),
    "json cell": (
        'id\tpayload\n1\t{"a": 1, "b": 2}\n2\t{"a": 1, "b": 2}\n',
        "\t",
        None,
        ["id", "payload"],
        0,
    ),
    "ragged short": ("id,text,a,b\n1,x\n2,y\n3,z,1\n", ",", '"', ["id", "text", "a", "b"], 0),
}


def lines_of(text: str) -> list[str]:
    return list(io.StringIO(text, newline=""))


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    text, delimiter, quote, header, at = CASES[case]
    found = dialect.find(lines_of(text))
    assert found.delimiter == delimiter
    assert quote is None or found.quote == quote
    assert found.names == header
    assert found.header == at
    assert 0 < found.confidence <= 1


def test_backslashes_escape_quotes_only_where_they_do() -> None:
    assert dialect.find(lines_of(CASES["backslash"][0])).escape == "\\"
    path = 'id,text\n1,"C:\\"\n2,"D:\\"\n'
    assert dialect.find(lines_of(path)).escape == ""


def test_blanks_after_delimiters() -> None:
    assert dialect.find(lines_of(CASES["space quote"][0])).skip_space
    assert not dialect.find(lines_of(CASES["semi prose commas"][0])).skip_space
    assert not dialect.find(lines_of('id,text\n1, a\n2, b\n3, c\n4, d\n5, e\n6,"say, ""hi"""\n')).skip_space


def test_what_is_given_is_taken() -> None:
    found = dialect.find(lines_of("a;b,c\n1;2,3\n"), delimiter=",", quote="")
    assert (found.delimiter, found.quote, found.names, found.confidence) == (",", "", ["a;b", "c"], 1.0)


def test_confidence_says_when_two_delimiters_fit() -> None:
    clear = dialect.find(lines_of("id,text\n1,good\n2,bad\n"))
    both = dialect.find(lines_of("a;b,c;d\n1;2,3;4\n5;6,7;8\n"))
    assert clear.confidence > 0.9
    assert both.confidence < 0.7


def test_the_same_sample_gives_the_same_dialect() -> None:
    for text, *_ in CASES.values():
        assert dialect.find(lines_of(text)) == dialect.find(lines_of(text))


HOSTILE: dict[str, Sequence[str]] = {
    "quotes": ['"' * 60_000 + "\n"],
    "lines of a quote": ['"\n'] * 30_000,
    "delimiters": [",;\t|" * 15_000 + "\n"],
    "open on each line": ['1,"abc\n'] * 9_000,
    "closed and opened": ['x","z\n'] * 9_000,
    "backslashes": ["\\" * 30_000 + '"' + "\\" * 30_000],
    "nothing": ["\n"] * 60_000,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_samples_take_no_time(case: str) -> None:
    began = time.process_time()
    dialect.find(HOSTILE[case])
    # A hang, not slowness: quadratic work on these takes minutes.
    assert time.process_time() - began < 5
