"""Sentences that users of other libraries reported as split wrongly."""

import json
import random
from pathlib import Path

import pytest

from pytest_streamval import ProseChunker

REPORTED = json.loads((Path(__file__).parents[1] / "data" / "sentences_reported.json").read_text(encoding="utf-8"))

MORE = [
    ("en", "‘Twas cold. We left. Nobody spoke.", ["‘Twas cold.", "We left.", "Nobody spoke."]),
    ("en", "'80s music is back. Everybody dances.", ["'80s music is back.", "Everybody dances."]),
    ("en", "'Cause it rains. We stay in.", ["'Cause it rains.", "We stay in."]),
    ("en", "'Stop! Go back!' he said. We went.", ["'Stop! Go back!' he said.", "We went."]),
    ("en", "She came in. then left.", ["She came in.", "then left."]),
    ("en", "It measures 12 in. across. Fine.", ["It measures 12 in. across.", "Fine."]),
    ("en", "Ask Mr. 王. He knows.", ["Ask Mr. 王.", "He knows."]),
    ("en", "See you Monday.Dr. Lee will come.", ["See you Monday.", "Dr. Lee will come."]),
    ("nl", "'s Avonds is het koud. Morgen niet.", ["'s Avonds is het koud.", "Morgen niet."]),
    ("de", "Er sagte: »Komm mit.« Dann ging er.", ["Er sagte: »Komm mit.«", "Dann ging er."]),
    ("ja", "これはＵ．Ｓ．Ａ．の話です。終わり。", ["これはＵ．Ｓ．Ａ．の話です。", "終わり。"]),
    ("zh", "他下午 2 p.m. 开会。好。", ["他下午 2 p.m. 开会。", "好。"]),
    ("nl", "Dat is zo. Daarom blijven we.", ["Dat is zo.", "Daarom blijven we."]),
]


def chunks(strategy, pieces):
    chunker = strategy.chunker()
    found = [chunk.text for piece in pieces for chunk in chunker.feed(piece)]
    return [*found, *(chunk.text for chunk in chunker.flush())]


def cut(text, seed):
    draw = random.Random(seed)  # noqa: S311  # repeatable chance, not secrets
    places = sorted(draw.sample(range(1, len(text)), draw.randint(1, len(text) - 1)))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


def check(strategy, text, expected):
    assert chunks(strategy, [text]) == expected
    assert chunks(strategy, list(text)) == expected
    for seed in range(10):
        assert chunks(strategy, cut(text, seed)) == expected


@pytest.mark.parametrize("case", REPORTED, ids=lambda case: case["id"])
def test_a_reported_sentence_is_found_with_any_cuts(case):
    language = case["chunking"].split("'")[1]
    check(ProseChunker(language), case["text"], case["expected"])


@pytest.mark.parametrize(("language", "text", "expected"), MORE)
def test_similar_sentences_are_found_with_any_cuts(language, text, expected):
    check(ProseChunker(language), text, expected)


def test_a_users_abbreviation_ends_no_sentence():
    text = "It takes approx. Nine of them. Good."
    for word in ("approx", "approx.", " approx. "):
        assert chunks(ProseChunker("en", abbreviations=[word]), [text]) == ["It takes approx. Nine of them.", "Good."]


def test_a_users_abbreviation_can_have_several_periods():
    strategy = ProseChunker("de", abbreviations=["qq.zz.", "Foobar"])
    assert chunks(strategy, ["Die qq.zz. Tage im Foobar. Haus. Und foobar. Haus."]) == [
        "Die qq.zz. Tage im Foobar. Haus.",
        "Und foobar.",
        "Haus.",
    ]
    assert repr(strategy) == "ProseChunker('de', abbreviations=['qq.zz', 'Foobar'], max_chars=32768)"
