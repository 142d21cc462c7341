"""Texts for the checks of chunking strategies, with boundaries and with characters that look like boundaries."""

from __future__ import annotations

import random

_WRITTEN = (
    # Prose with difficult sentences.
    "One. Two. Three.",
    "One",
    "It rained. Was it bad? No! It was not",
    'He said "no." She (too.) left. “Why?” ‘So!’ Fine',
    "Dr. Smith came from the U.S. However, he left at 5 p.m. on Jan. 3. Mr. J. Doe stayed.",
    "Dr.  Who. Dr.\nWho.\tMr.\tBean. No",
    "Wait... what?! Well… yes. No -- not now — never. Ok",
    "Version 2.0 costs $3.14, e.g. here. See example.com/a.b?c=d. Or not.",
    "no no no no. no no no. no no. no",
    # Lines, lists and code.
    "# Title\n\nA paragraph\nover two lines.\n\n\n\nAnother one.",
    "One line.\r\nAnother. And\r\n\r\nA paragraph\r\nof two\r\n",
    "1. First item.\n2. Second. With more\n\n- A point\n  * A deeper one.\n",
    "Run this:\n\n```python\nprint('a. b')\n\nx = 1\n```\n\nDone. Next",
    "~~~\nAn open fence. It never ends\n\nor so",
    '{"id": 1, "text": "a. b"}\n{"id": 2, "text": ""}\n{"id": 3',
    "event: a\ndata: b c\n\ndata: d\n\n",
    "a,b;c|d\n1,2;3|4\n;;\n",
    "<p>One. Two</p><br/>\n<b>Three</b>",
    "| a | b |\n|---|---|\n| 1. | 2 |\n",
    # Other scripts, and characters of several code points.
    "今天天气很好。我们出去吧！好吗？好",
    "これは文です。「はい。」と言った。終わり",
    "यह एक वाक्य है। दूसरा। هل هذا سؤال؟ نعم.",
    "Yes 👩\u200d👩\u200d👧. Thumbs 👍🏽! Flags 🇩🇪🇫🇷. End",
    "Cafe\u0301. Ne\u0301e! Zoe\u0308 said. A\u030a",
    "\ud83c alone. A pair \ud83c\udf4e. And \udf4e",
    # White space, noise, and repetitions.
    " ",
    "\n\n\n",
    " \t\r\n \n x",
    "\r\r\n\r",
    " Leading and trailing. \n",
    "a\xa0b. c\u2028d\u2029e\u3000f\x85g\x0ch\x1ci",
    "\ufeffOne. Zero\u200bwidth. \x00 End",
    "aaaaaaaaaaaaaaaaaaaaaaaa",
    ". . . . .",
    "......",
    '""""" ((((',
    "a.b.c.d. e",
)
_PARTS = (
    *("a", "b", "One", "two", "Dr", "e.g", "U.S", "p.m", "1", "23", "3.14"),
    *(".", ".", "!", "?", "...", "…", "。", ",", ";", ":", "|", "--", "-", "#", "*"),
    *('"', "'", "“", "”", "’", "(", ")", "[1]", "{", "}", "<b>", "`", "```", "~~~"),
    *(" ", " ", " ", "  ", "\t", "\n", "\n", "\r", "\r\n", "\n\n", "\r\n\r\n", "\xa0", "\u2028", "\u3000"),
    *("中", "と", "🍎", "👍🏽", "👩\u200d👧", "e\u0301", "\u200d", "\ud83c", "\x00"),
)
_MIXTURES = 30
_LONGEST = 20  # parts of a mixture


def corpus() -> list[str]:
    """Return the texts, the same ones each time: those written by hand, and random mixtures of their parts."""
    chance = random.Random("conformance")  # noqa: S311  # repeatable chance, not secrets
    mixtures = ("".join(chance.choices(_PARTS, k=chance.randint(3, _LONGEST))) for _ in range(_MIXTURES))
    return [*_WRITTEN, *mixtures]
