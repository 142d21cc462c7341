"""Check with random cuts that `ProseChunker` returns the same chunks for any cuts of a text.

Run: `python benchmarks/prose_cuts.py 1000000 [SEED]`. The texts are prose, Markdown, code, CJK, emoji and noise. Each
one is read complete, and then in pieces. The chunks, their offsets and the number of chunks before the end must agree,
and only whitespace may be lost between two chunks.
"""

from __future__ import annotations

import random
import sys
import time
from typing import TYPE_CHECKING, Final

from pytest_streamval.engine.prose import ProseChunker

if TYPE_CHECKING:
    from pytest_streamval.engine.chunking_strategy import Chunk

PROSE: Final = (
    "At 5 a.m. Mr. Smith went to the bank. He left at 6 P.M. Mr. Smith then went home. ",
    'She turned to him, \'This is great.\' she said. "Why?" he asked. "Stop!" ',
    "I live in the U.S. How about you? I work for the U.S. Government, e.g. in Virginia. ",
    "weakened . . . was that of compounds. . . . The practice was not abandoned. . . . ",
    "“the laws will appear less complex. . . .” ",
    "It cost $3.50 (see Fig. 2) in 1999.[1] [2] Version v2.0.1 of setup.py works... Really?! ",
    "1.) The first item 2.) The second item. a. one b. two • 9. nine • 10. ten ",
    "'Tis late. ‘Twas ’80s music, '80s rock. He is 5 ft. 6 in. tall. 5 min. or so. Lt. Gov. Prof. Smith. ",
    "‚Folge mir nicht.‘ Dann ›Ja! So.‹ „So!\" Goethestr. 5. Univ.-Prof. Dr. Maier am Mo. 3. Feb. 's ist 5 min. Dann. ",
    "It is Tuesday.Mr. Smith.Dr.Who left.U.S. troops.J. R. It is _e.g._ Continue. `i.e.` *Dr.* So. 2 p.m. 请。",
    "cognition.10 This model. Well—“What?” I wrote it in the 'nineties. and then?",
)
MARKDOWN: Final = (
    "# A heading. Still one\n\n",
    "- an item. Two sentences.\n* other\n1. one\n2. two\n(iv) four\n> quoted\n",
    "| a. B. | c |\n|---|---|\n",
    "```python\nx = 1.  \n\nprint('a. B.')\n```\n",
    "~~~\nfoo. Bar\n~~~~\n",
    "Use `a. b` or ``c`. D``. **Bold.** _It._\n---\n",
)
WIDE: Final = (
    "「行こう！」と言った。",
    "你好!我是。“这是。”这是",
    "そうです……（はい）。３．２９％。",
    "这是Ｆ．Ｂ．Ｉ．的。Ｍｒ．王。Ｎｏ．５。 ｢So.｣ 〝Go.〞",
    "डॉ. सिंह हैं। एम.ए. है. ",
    "؟ ہے۔ है। ነው። է։ ",
)
EMOJI: Final = ("Great! 😊 Let's go. ", "✅ Done. ❌ Not. 👍🏽👩‍👩‍👧 ", "🎉🎉")
NOISE: Final = (
    *"abXI59 .,;:!?…\n\t\r'\"“”‘’„«»‹›()[]{}<>`*_~#|-–—•⁃\xa0\u3000\u2028\x00",
    *(",,", "''", "²", ":(", ".N", "--", "``", "~~~", "# ", "(b) ", "1. ", "U.S. ", "e.g. ", "a.m. ", "word", "Word"),
    *("..", "...", ". ", " .", ". . .", "```", "``", "\n\n", "\r\n", "[1]", "Mr. ", "no. ", "The ", "It", "a)", "i. "),
    *("'Tis", "'80s", "'t ", "in. ", "г. ", "Ｆ．", "．", "王", "डॉ. ", "Mr.", ".U.S.", ".Dr", "›", "｢", "｣", "str. "),
)
KINDS: Final = (PROSE, MARKDOWN, WIDE, EMOJI, NOISE, PROSE + MARKDOWN + WIDE + EMOJI + NOISE)
LANGUAGES: Final = ("en", "en", "en", "de", "es", "fr", "it", "nl", "pt", "ru", "ja", "zh")
LIMITS: Final = (32_768, 32_768, 32_768, 1, 7, 40, 200)
CUTS_A_TEXT: Final = 20


def some_text(chance: random.Random) -> str:
    """Return a text of one kind, or of all kinds. Its end may be missing."""
    kind = chance.choice(KINDS)
    if chance.random() < 0.05:
        return str(chance.choice(NOISE)) * chance.randint(60, 300) + chance.choice(PROSE)
    text = "".join(chance.choice(kind) for _ in range(chance.randint(1, 60 if kind is NOISE else 8)))
    return text[: chance.randint(1, len(text))]


def pieces(text: str, chance: random.Random) -> list[str]:
    """Return the text in pieces: single characters, or a few pieces."""
    if chance.random() < 0.1:
        return list(text)
    cuts = sorted(chance.randint(0, len(text)) for _ in range(chance.randint(1, 12)))
    return [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def chunks(strategy: ProseChunker, parts: list[str]) -> tuple[list[Chunk], int]:
    """Return all chunks, and the number of them before the end."""
    chunker = strategy.chunker()
    found = [chunk for part in parts for chunk in chunker.feed(part)]
    return found + chunker.flush(), len(found)


def fault(text: str, found: list[Chunk], limit: int) -> str:
    """Return the fault in the chunks of a text, or an empty string."""
    end = 0
    for chunk in found:
        if text[chunk.start : chunk.end] != chunk.text or chunk.text != chunk.text.strip() or not chunk.text:
            return f"wrong offsets or whitespace: {chunk}"
        if len(chunk.text) > limit:
            return f"too long: {chunk}"
        if text[end : chunk.start].strip():
            return f"lost {text[end : chunk.start]!r} before {chunk}"
        end = chunk.end
    return f"lost {text[end:]!r}" if text[end:].strip() else ""


def main(cuts: int, seed: int) -> int:
    """Try this number of cuts, and return the number of differences."""
    chance = random.Random(seed)
    strategies = {
        (language, limit): ProseChunker(language, max_chars=limit, abbreviations=("Xyz", "a.b"))
        for language in LANGUAGES
        for limit in LIMITS
    }
    begin = time.perf_counter()
    differences = 0
    for _ in range(cuts // CUTS_A_TEXT):
        text, language, limit = some_text(chance), chance.choice(LANGUAGES), chance.choice(LIMITS)
        strategy = strategies[language, limit]
        whole = chunks(strategy, [text])
        problems = {fault(text, whole[0], limit)} - {""}
        for _ in range(CUTS_A_TEXT):
            parts = pieces(text, chance)
            if chunks(strategy, parts) != whole:
                problems.add(f"differs when cut into {parts}")
        for problem in problems:
            print(f"{language} max_chars={limit} {text!r}\n    {problem}")
        differences += len(problems)
    print(f"{cuts} cuts, seed {seed}: {differences} differences, {time.perf_counter() - begin:.0f} s")
    return differences


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    sys.exit(bool(main(*(arguments + [1_000_000, 0][len(arguments) :]))))
