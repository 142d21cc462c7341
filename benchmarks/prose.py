"""The speed of `ProseChunker` in MB/s of process time, the median of five runs, by the size of the deltas.

Run: `python benchmarks/prose.py`. A megabyte is a million characters, which are all ASCII here. `no boundary` is a text
of the same length without boundaries, and the ratio is its time divided by that of prose.
"""

from __future__ import annotations

import statistics
import time

from pytest_streamval.engine.prose import ProseChunker

PROSE = (
    "The river had been rising since Tuesday, and by the weekend nobody in the village believed the forecast. "
    "Maria walked down to the bridge before breakfast with some coffee and counted the steps that were dry. "
    '"Nine," she told the dog. "Yesterday there were twelve." The water moved quickly, brown and heavy with branches '
    "(some of them as long as a car), but it made almost no sound. Old Mr. Petersen claimed that it had been worse in "
    "1954, when it took the mill and half of the orchard. Was he right? It hardly mattered, because they would need "
    "sandbags, a pump, and a great deal of patience either way.\n\n"
    "By noon the whole street had come out to help, and somebody had brought a radio and a pot of soup. The children "
    "carried what they could, the teacher wrote lists, and even the people from the new houses, who kept to themselves "
    "as a rule, turned up in rubber boots. It's strange how quickly a place becomes a village again!\n\n"
)
DENSE = (
    "Dr. Alvarez left at 6 a.m. with a flask, e.g. the strong kind. 'No!' he said (twice). See p. 5, i.e. Fig. 2.\n\n"
    "1. Close the lower road.\n2. Move the animals to the U.S. School.\n3. Wait, and don't panic! `a.b()` is fine.\n\n"
)
LENGTH = 200_000


def repeated(text: str) -> str:
    """Return the text, repeated up to `LENGTH` characters."""
    return (text * (LENGTH // len(text) + 1))[:LENGTH]


TEXTS = {
    "prose": repeated(PROSE),
    "dense prose and lists": repeated(DENSE),
    "words, no boundary": repeated("and then the water came and went again "),
    "one word": "a" * LENGTH,
    "open brackets": "(" * LENGTH,
    "periods": "." * LENGTH,
    "backticks": "`" * LENGTH,
    "spaced periods": repeated(". "),
    "open quote": '"' + repeated("and then. The water came ")[1:],
}
SIZES = (1, 4, 16, 80, 1_000)


def seconds(text: str, size: int) -> float:
    """Return the process time of one stream in deltas of `size` characters."""
    deltas = [text[at : at + size] for at in range(0, len(text), size)]
    chunker = ProseChunker().chunker()
    feed = chunker.feed
    begin = time.process_time()
    for delta in deltas:
        feed(delta)
    chunker.flush()
    return time.process_time() - begin


def main() -> None:
    """Print both tables."""
    print(f"{'text':22}" + "".join(f"{size:>8} ch" for size in SIZES) + "   MB/s; deltas of so many characters")
    medians = {
        (name, size): statistics.median(seconds(text, size) for _ in range(5))
        for name, text in TEXTS.items()
        for size in SIZES
    }
    for name, text in TEXTS.items():
        print(f"{name:22}" + "".join(f"{len(text) / medians[name, size] / 1e6:11.2f}" for size in SIZES))
    for name in TEXTS:
        ratios = "".join(f"{medians[name, size] / medians['prose', size]:11.2f}" for size in SIZES)
        print(f"{name:22}{ratios}   time over that of prose")


if __name__ == "__main__":
    main()
