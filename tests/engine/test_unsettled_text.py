"""The text of an output that later checks may still change."""

import random

from pytest_streamval.engine.unsettled_text import UnsettledText
from tests.engine.release_model import rng_of

PIECES = ("a", "bc", "d e ", "f" * 9, "")


class Model:
    """The same with one string and a list."""

    def __init__(self):
        self.text = ""
        self.edits = []

    def edited(self, start, end):
        parts = []
        for edit_start, edit_end, text in self.edits:
            if edit_end > start and edit_start < end:
                parts += [self.text[start:edit_start], text]
                start = max(start, edit_end)
        return "".join([*parts, self.text[start:end]])


def grown(rng: random.Random, text: UnsettledText, model: Model) -> None:
    for _ in range(rng.randrange(1, 5)):
        piece = rng.choice(PIECES)
        text.add(piece)
        model.text += piece


def replaced(rng: random.Random, text: UnsettledText, model: Model, settled: int) -> None:
    end = len(model.text)
    start = text.start_of(rng.randrange(max(settled, end - 12), end))
    text.replace(start, end, "[gone]")
    model.edits = [edit for edit in model.edits if edit[1] <= start] + [(start, end, "[gone]")]


def test_an_unsettled_text_is_that_of_a_model_with_any_pieces_and_replacements():
    for seed in range(200):
        rng, text, model, settled = rng_of(seed), UnsettledText(), Model(), 0
        for _ in range(120):
            grown(rng, text, model)
            if rng.random() < 0.3 and len(model.text) > settled:
                replaced(rng, text, model, settled)
            start = rng.randrange(settled, len(model.text) + 1)
            end = rng.randrange(start, len(model.text) + 1)
            assert text.end == len(model.text)
            assert text.plain(start, end) == model.text[start:end]
            assert text.edited(start, len(model.text)) == model.edited(start, len(model.text))
            assert text.end_of_edits(end) == max([0, *(edit[1] for edit in model.edits if edit[0] < end)])
            if rng.random() < 0.2:
                settled = max(settled, text.end_of_edits(end), end)
                taken = [edit for edit in model.edits if edit[0] < settled]
                assert [tuple(edit) for edit in text.take_edits(settled)] == taken
                model.edits = model.edits[len(taken) :]
                text.forget(settled)
            assert text.has_edits == bool(model.edits)


def test_an_unsettled_text_keeps_few_pieces_that_are_settled():
    text = UnsettledText()
    for number in range(1, 10_000):
        text.add("word ")
        text.forget(number * 5 - 20)
        assert len(text._pieces) < 100


def test_an_unsettled_text_keeps_few_replacements_that_are_settled():
    text = UnsettledText()
    for number in range(1_000):
        text.add("word ")
        text.replace(number * 5, number * 5 + 4, "[x]")
    for number in range(999):
        assert len(text.take_edits(number * 5 + 1)) == 1
        assert len(text._edits) < 2 * (999 - number) + 100
