"""The sentences that ProseChunker finds. Each group of cases is a rule, and the texts are our own."""

import itertools
import json
import pickle
import re
from pathlib import Path

import pytest

from pytest_streamval.engine.prose import ProseChunker, periods
from pytest_streamval.engine.prose.languages import LANGUAGES
from pytest_streamval.engine.prose.nesting import Nesting
from pytest_streamval.errors import InvalidArgumentError, UnknownNameError

DATA = Path(__file__).parents[1] / "data"
GOLDEN = json.loads((DATA / "golden_rules_en.json").read_text(encoding="utf-8"))
PUBLIC = json.loads((DATA / "sentences_en.json").read_text(encoding="utf-8"))


def sentences(text, language="en", **options):
    """Return the sentences of a text. They are the same if it arrives character by character."""
    strategy = ProseChunker(language, **options)
    found = strategy.split(text) + strategy.flush(text)
    chunker = strategy.chunker()
    streamed = [chunk for character in text for chunk in chunker.feed(character)] + chunker.flush()
    assert [chunk.text for chunk in streamed] == found
    return found


# Sentences in one line. A bar marks the end of each.
ONE_LINE = {
    "titles": "Dr. Alvarez met Mrs. Petersen. | They called Lt. Gen. Okafor and Sen. Brandt.",
    "a title before a quote": 'Mr. "Lucky" Luciano was born there.',
    "saints, mounts and streets": "St. Gallen lies below Mt. Säntis. | She lives on Main St. with a cat.",
    "initials": "J. R. R. Tolkien and C. S. Lewis were friends. | E. Smith knew both.",
    "an initial in front of a beginning": "Take vitamin C. | It helps. | We chose plan B. | Then it rained.",
    "the word I": "It was you and I. | Nobody else came. | Louis I. Kahn built it.",
    "acronyms": "The U.S. Senate met. | She moved to the U.S. | She liked it.",
    "an acronym and a period of its own": "They live in the E.U.. | We do not.",
    "an acronym and a further one": "They met in Washington, D.C. A. Lincoln was there.",
    "degrees": "Jane Doe, Ph.D. in physics, spoke. | He has an M.A. | He teaches.",
    "Latin": "Bring fruit, e.g. Gala apples, i.e. sweet ones. | It was Smith et al. who found it.",
    "versus": "It was Kramer vs. Kramer again, and Roe v. Wade. | Nobody won.",
    "and so on": "We sell pens, ink, etc. to schools. | We sell pens, ink, etc. | Schools buy them.",
    "firms": "Acme Inc. said so. | He works at Acme Corp. | She left. | Smith & Co. KG is theirs.",
    "firms and an aside": "They own Acme Inc. (the old one) and Acme Ltd. in 2. form.",
    "juniors": "Sammy Davis Jr. sang. | I met Sammy Davis Jr. | He sang. | It is Ken Griffey Jr.'s bat.",
    "pages and figures": "See pp. 12-14 and Fig. 3, cf. Sec. IV of Vol. II. | It is on p. 9. | Look there.",
    "labels": "See Fig. A and Tab. B2 of App. C. | It is no. A13.",
    "no as a word": "Is it No. 5 or no. 6? | She said no. | He left.",
    "months": "It opened on Dec. 31st, 1999. | It closed in Jan. | The reason was money.",
    "days and the word sun": "It is open Mon. and Sun. only. | We lay in the sun. | Birds sang.",
    "times of day": "We met at 5 p.m. on Tuesday. | We left at 6 p.m. | Nobody stayed. | It ends at 9 a.m. EST.",
    "a bare time": "At 7 a.m. Mrs. Hill called. | She called again at 8 p.m. | Mrs. Hill was upset.",
    "numbers": "It costs $3.50 or 1.000,00 €. | She has 42. | We have 7. | It grew by 0.5%. | €5 is left.",
    "a number and a small letter": "As payment for 1. above we ask nothing.",
    "versions and files": "Use v2.0.1 of setup.py. | Then open config.prod.json. | That is all.",
    "a period in front": "We use .NET and .5 of it. | .NET is fine. | .5 is enough. | (.NET too.)",
    "a stray period": "It is late . | We leave . and go. | Really . . so it is.",
    "addresses": "Write to jane.doe@example.com. | See https://example.com/a.b?c=1. | It is short.",
    "question and exclamation": "Really?! | Yes!! | No way... | Who knows? | Me.",
    "a name with its mark": "I like Yahoo! Mail best. | She works at Yahoo! in sales. | He left Yahoo! | The end.",
    "a mark in the middle": "Oh! what a day it was. | Was it bad? in a way.",
    "a mark and a pronoun": "Where? she asked herself. | Nowhere? | then so be it.",
    "small letters": "hello there! | how are you? | i am fine. | thanks.",
    "names that begin small": "Sales rose! | iPhone sales most of all.",
    "a word in small letters": "This is plain. | and so is this. | It is it. | so it goes.",
    "unknown abbreviations": "The prnt. version of the xyz. was late. | Ask Hptm. Krause. | Ask Hptm. | He knows.",
    "a capital in a unit": "It has 120.5°C. | Nobody sat down.",
    "an ordinal": "It is the 3a. sala of Friedrich II. here.",
    "ellipses": "Well... maybe. | Hmm… | I see... | Fine. | It was ... 5 or 6.",
    "an ellipsis before I": "The thing is ... I do not know. | It is ... | It is late.",
    "a spaced ellipsis": "It was . . . odd. | It ended . . . . | We left. | Nobody . . . Nobody.",
    "an omission that begins a sentence": "It was long. | . . . The end was good.",
    "marks about the text": "He said (sic!) nothing [...] at all (?) to us.",
    "quotes": '"Stop! Do not move!" he said. | "Why?" she asked. | "Because."',
    "quotes of other kinds": "“Stop! No!” he said. | „Halt! So!“ | »Ja! Gut!« | «Non ! Si !» | ‹Ja! Gut.› | ‘No! No.’",
    "German quotes within quotes": "„Er rief ‚So! Ja!‘ zu mir.“ | Gut.",
    "quotes within quotes": "“He said ‘No! Never!’ to me.” | “Oh.” | ‘So “that! That.” was it.’ | Good.",
    "quotes with a space": "« Je viens. » | « Bon ! »",
    "low quotes as commas": "Hij kwam. | ,,Het is zo! | Ja!” zei hij.",
    "single quotes": "'Well!' thought Alice, 'after all! How nice.' | She fell. | He said 'Yes! No!' to it.",
    "apostrophes": "I wrote it in the 'nineties. | It's the dogs' house. | Isn't it? | He won't. | Really.",
    "a quote within a word": "O‘Neill was here ‘ too. | So it was.",
    "brackets in code": "Call `f(x)` (or `g(1)`) now. | Then `a) b` runs. | Done.",
    "inches": 'It is 6" wide. | A 12" ruler helps.',
    "an attribution": '"Be yourself." — Oscar Wilde "No."',
    "speech that breaks off": '"If you please, sir--" | The Rabbit started. | “So—” he said. | "And--" | “What?”',
    "speech in a bracket that breaks off": '(He said "If--" The Rabbit ran.) | Fine.',
    "an aside in dashes": "Mix it and -- voila! -- you are done.",
    "an aside behind speech": "She said, 'How nice!' (Which was true.) | Then she slept.",
    "an aside of its own": '"How nice!" | (Which was true.) | Then she slept. | (Not well.)',
    "an aside in small letters": "They left. (see below) and came back.",
    "brackets": "He (a doctor. A good one.) came. | (It was late.) | [We left.] | {They. Stayed.} | Fine.",
    "a bracket too many": "Models (Skellam, 2003(Jonsen et al. 2005) and more (Horne). | They work.",
    "more brackets than anybody needs": "((((((((((((((((((A. B)))))))))))))))))) and so on. | Fine.",
    "a face": "I lost it :( and cried. | It came back.",
    "references": "Hydrogen is a gas.[1][2] | It burns. [3] | It is light. | [Not sure.] | Fine.",
    "footnote numbers": "It is a reflective habit.10 | This model explains it.² | So be it (type 2).3,4 | Fine.",
    "a name with a number": "We use section.3 or v.2 here. | It is file.10 of it.",
    "a name with a capital": "The package os.Path is old. | So is System.Out here, (a.B is, too).",
    "pictographs": "Great job! 🎉 | Keep going. 👍🏽👍🏽 | It is 😊. | Bye.",
    "pictographs as bullets": "🍎 Apples are in. | 🍐 Pears are out. | ✅ Fine.",
    "emphasis": "**Note:** it works. | **It really does.** | _Always._ | Trust me.",
    "code": "Call `a.b. C.` first. | Use ``x ` y. Z`` then. | `npm. Run` it. | Say `it is so.` | Fine.",
    "a stray backtick": "It`s the cat`s. | That is ` all. | Fine.",
    "TeX quotes": "He said ``so. It. Is,'' and left. | `And. He. Did,' they said. | We stayed.",
    "numbered items": "1. Mix the flour. | 2. Add water. | 3. Wait.",
    "items without periods": "1) one | 2) two | 3) three | 1) four",
    "items with both": "1.) one | 2.) two",
    "items in brackets": "(1) the first | (2) the second | (3) the third",
    "items in brackets that end": "(a) The first. | (b) the second. | (iv) the fourth.",
    "items with letters": "a. here it is | b. another | c. one more",
    "items with capitals": "A) one | B) two and vitamin C. | It helps.",
    "Roman items": "i.) one | ii.) two | iii.) three",
    "items behind a colon": "Do this: | 1. Rinse. | 2. Dry. | Or: | a) rest",
    "numbers that are no items": "1. Set it to 2. above, to step 2. or so, or 1, 2. | Rest.",
    "numbers in a bracket": "1) This (or 2) that) is it.",
    "an answer that looks like an item": "How many? | 42. | That is a lot.",
    "bullets": "• one | • 2. two | ⁃3. three",
    "bullets behind a colon": "Bring: | ◦ one",
    "a bullet in a name": "The f◦g test ran ◦ twice (• or so). | It passed.",
    "more quotes than anybody needs": "(((((((((((((((( “So. So” )))))))))))))))) and so on. | Fine.",
    "one ideograph": "It is 好. | Fine.",
    "a dash of dialogue": "Who is it? | – Nobody.",
    "contractions": (
        "'Tis late. | 'Twas dark, 'cause 'em lamps were out. | ‘Tis true. | ’Twas so. | 'Cause I say so. | Go."
    ),
    "a quote that begins like a contraction": (
        "'This is it! Yes!' he said. | 'Causes? Many!' | 'Twa. So.' he said. | Go."
    ),
    "short years": (
        "'80s music is loud. | ‘90s music is not. | ’70s music is old. | '99 was hot. | '1999 was. So!' he said."
    ),
    "a number that begins a quote": "'100 men? Never!' he said. | '8_0 is. So.' is odd. | '½ of it! So!' he said.",
    "units that are words": (
        "He is 5 ft. 6 in. tall. | It is 6 in. | She is 10 ft. away. | It took 1 hr. | Nobody left."
    ),
    "units without a number": "She came in. | and so on. | Ft. Worth is far. | She said no. | He left.",
    "units and numerals": "It is (½ in. wide). | It is 3-4 in. wide. | It is XIV in. wide. | Come in. | we left.",
    "titles before titles": "Lt. Gov. Prof. Smith met Maj. Gen. Rev. Dr. King and Asst. Prof. Mr./Mrs. Hill.",
    "a title before another script": "Mr. 王 left. | Mr.王来了。 | Dr. 李来了。 | Fine.",
    "an abbreviation before another script": "It is at 2 p.m. | 请别迟到。 | She lives in the U.S. | 他很好。",
    "an abbreviation within another script": "他在 U.S. 政府工作，2 p.m. 开始。 | Fine (at 2 p.m. (请)). | So.",
    "emphasised abbreviations": (
        'It is _e.g._ | Continue. | It is **i.e.** | Next. | It is `e.g.` | Go. | It is "e.g." | Go.'
    ),
    "emphasised abbreviations that go on": (
        "**Dr.** Smith ate fruit, *e.g.* Gala apples. | *E.g.* Gala. | It is *e.g. Gala*."
    ),
    "an emphasised title": "Call her _Dr._ | She is one. | _Dr. Smith_ left.",
    "Hindi titles": "डॉ. सिंह आज अस्पताल में हैं। | प्रो. शर्मा एम.ए. पास हैं। | यह पहला है. | यह दूसरा है.",
    "single guillemets": '›Komm! Geh.‹ | ‹Ja! So.› | »Ja! So.« | ‚Ja! So.‘ | „Ja! So." | Fine.',
    "corner brackets": "｢Ja! So.｣ | 「Ja! So.」 | 〝Ja! So.〞 | Fine.",
}


@pytest.mark.parametrize("group", ONE_LINE)
def test_the_prose_chunker_finds_the_sentences_of_a_line(group):
    expected = ONE_LINE[group].split(" | ")

    assert sentences(" ".join(expected)) == expected


LINES = {
    "a blank line ends everything": ("No end\n\n\n  and on", ["No end", "and on"]),
    "even an abbreviation": ("Signed, Dr.\n\nThe end", ["Signed, Dr.", "The end"]),
    "even an open quote": ('"He said\r\n\r\nno', ['"He said', "no"]),
    "a terminator and a blank line": ("One.\n\nTwo?\n\nThree", ["One.", "Two?", "Three"]),
    "an ellipsis and a blank line": ("And then...\n\nnothing", ["And then...", "nothing"]),
    "short lines": ("features\ncontact manager\nevents", ["features", "contact manager", "events"]),
    "a wrapped line": (
        "The quick brown fox jumps over the lazy dog and\nnever comes back.",
        ["The quick brown fox jumps over the lazy dog and\nnever comes back."],
    ),
    "a line that is long enough to be wrapped": (
        "The quick brown fox jumps over lazy dogs\nevery day.",
        ["The quick brown fox jumps over lazy dogs\nevery day."],
    ),
    "a line that ends with a comma": ("Dear Sir,\nI write.", ["Dear Sir,\nI write."]),
    "a line that ends with an abbreviation": ("We met Mr.\nSmith there.", ["We met Mr.\nSmith there."]),
    "a sentence and a line": ("One ends here.\nand two begins.", ["One ends here.", "and two begins."]),
    "a question and a line": ("Why?\nbecause.", ["Why?", "because."]),
    "a quote over lines": ('"One.\nTwo." he said.', ['"One.\nTwo." he said.']),
    "headings": ("# One. Still one\nText.\n\n## Two\nMore", ["# One. Still one", "Text.", "## Two", "More"]),
    "a hash that is no heading": ("#tag one. Two", ["#tag one.", "Two"]),
    "a rule": ("One\n\n---\n\nTwo", ["One", "---", "Two"]),
    "a headline underlined": ("Title\n=====\nText.", ["Title", "=====", "Text."]),
    "items": (
        "Needed:\n- milk. Fresh milk.\n* eggs\n+ salt",
        ["Needed:", "- milk.", "Fresh milk.", "* eggs", "+ salt"],
    ),
    "nested items": ("- one\n   - two\n\t- three", ["- one", "- two", "- three"]),
    "numbered lines": (
        "1. one\n2) two\n(3) three\niv. four\nb) five",
        ["1. one", "2) two", "(3) three", "iv. four", "b) five"],
    ),
    "an item and a wrapped line": (
        "- The quick brown fox jumps over the lazy dog and\n  sleeps",
        ["- The quick brown fox jumps over the lazy dog and\n  sleeps"],
    ),
    "an item behind a comma": ("We need,\n- milk", ["We need,", "- milk"]),
    "quoted lines": ("> one\n> two", ["> one", "> two"]),
    "a table": (
        "| a. B. | c |\n|---|---|\n| d | E. F |\nEnd",
        ["| a. B. | c |", "|---|---|", "| d | E. F |", "End"],
    ),
    "a fence": (
        "So:\n```py\nx. \n\ny = 'A. B'\n``\n```\nDone.",
        ["So:", "```py\nx. \n\ny = 'A. B'\n``\n```", "Done."],
    ),
    "a longer fence": ("~~~~\n~~~\nA. B\n~~~~~ \nC", ["~~~~\n~~~\nA. B\n~~~~~", "C"]),
    "a fence that is never closed": ("```\nA. B\n\nC. D", ["```\nA. B\n\nC. D"]),
    "a fence of one line": ("```code``` is not one. Right", ["```code``` is not one.", "Right"]),
    "an indented fence": ("1. one\n   ```\n   A. B\n   ```\n2. two", ["1. one", "```\n   A. B\n   ```", "2. two"]),
    "a code span ends with its paragraph": ("Use `a. B\n\nFine. So", ["Use `a. B", "Fine.", "So"]),
    "a dash that is no item": ("One -\ntwo", ["One -\ntwo"]),
    "backticks that begin a line": ("One.\n`a. B` two.", ["One.", "`a. B` two."]),
    "leading and trailing space": ("  \n\t One. Two \n ", ["One.", "Two"]),
    "nothing": (" \n\n\t", []),
    "empty": ("", []),
    "only marks": ("! ! ! ... ?", ["! ! ! ... ?"]),
    "a missing space": ("It rained.The end?Is it!No.", ["It rained.", "The end?", "Is it!No."]),
    "a missing space before a title": ("It is Tuesday.Mr. Smith left.", ["It is Tuesday.", "Mr. Smith left."]),
    "a missing space before and in a title": ("It is late.Dr.Who left.", ["It is late.", "Dr.Who left."]),
    "a missing space before an initial": ("He left.J. R. Smith came.", ["He left.", "J. R. Smith came."]),
    "a missing space before an acronym": ("Really?U.S. troops came.", ["Really?", "U.S. troops came."]),
    "a missing space before Latin": ("See it.E.g. this one.", ["See it.", "E.g. this one."]),
    "names with periods": ("Use Foo.Bar and os.A.B.C and os.Mr.", ["Use Foo.Bar and os.A.B.C and os.Mr."]),
    "a firm with a period": ("Ask Home.Inc. about it.", ["Ask Home.Inc.", "about it."]),
    "a missing space behind a number": ("We have 5.He left.", ["We have 5.", "He left."]),
    "a footnote at the end": ("A habit.10 11 This holds.3", ["A habit.10 11", "This holds.3"]),
    "a bullet without a line": ("Bring: ◦ one ◦ two", ["Bring:", "◦ one ◦ two"]),
}


@pytest.mark.parametrize("group", LINES)
def test_the_prose_chunker_finds_blocks_and_lines(group):
    text, expected = LINES[group]

    assert sentences(text) == expected


WIDE = {
    "no space": ["これはペンです。", "それは何ですか？", "良かったね！"],
    "closing marks": ["「これは最初の文です。」", "（二番目。）", "《三番目。》", "『四。』"],
    "what was said": ["「行こう！」と言った。", "「多分ね。」って言ってた。", "終わり。"],
    "inside a quote": ["彼は「はい。分かった。」と答えた。", "終わり。"],
    "a title": ["我们明天一起去看《摔跤吧！爸爸》好吗？", "好！"],
    "runs": ["えっ！？", "本当ですか？？", "はい。"],
    "decimals": ["３．２９％です．", "終わり．"],
    "full-width initials": ["这是Ｆ．Ｂ．Ｉ．的任务。", "Ｊ．Ｋ．ローリングだ。", "Ｍｒ．スミスが来た．", "終わり．"],
    "full-width abbreviations": ["これはＮｏ．５だ。", "これはＡｃｍｅ Ｉｎｃ．", "これはＡｂｃｄ．", "終わり。"],
    "half width": ["最初です｡", "次です｡"],
    "Latin marks": ["你好!", "我是小明?", "是。"],
    "curly quotes": ["“这是第一句话。”", "这是第二句话。"],
    "straight quotes": ["他说。", '"你好。"', "他走了。"],
    "Latin words": ["版本v2.0.1已经发布。", "请访问example.com。"],
}


@pytest.mark.parametrize("group", WIDE)
def test_the_prose_chunker_splits_text_without_spaces_at_its_full_stops(group):
    expected = WIDE[group]

    assert sentences("".join(expected)) == expected


SCRIPTS = {
    "Arabic": ["هل تأتي غدًا؟", "حسنًا."],
    "Urdu": ["یہ پہلا جملہ ہے۔", "یہ دوسرا جملہ ہے۔"],
    "Hindi": ["यह पहला है।", "यह दूसरा है॥", "बैठक 10:30 बजे है।"],
    "Amharic": ["ይህ ዓረፍተ ነገር ነው።", "ይህ ሁለተኛው ነው።"],
    "Armenian": ["Սա առաջինն է։", "Սա երկրորդն է։"],
    "Khmer": ["នេះជាប្រយោគទីមួយ។", "នេះជាប្រយោគទីពីរ។"],
    "Burmese": ["ဤသည်ပထမဖြစ်သည်။", "ဤသည်ဒုတိယဖြစ်သည်။"],
    "mixed": ["Mixed 中文 and English.", "这是中文。", "Back to English."],
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_prose_chunker_knows_the_full_stops_of_other_scripts(script):
    assert sentences(" ".join(SCRIPTS[script])) == SCRIPTS[script]


# Abbreviations with and without a number or a space, in each language. A bar marks the end of a sentence.
LANGUAGE_LINES = {
    "de": [
        "Univ.-Prof. Dr. Maier kam am Mo. 3. Feb. in die Goethestr. 5. | Es dauerte 5 min. | Dann ging er.",
        "'s ist spät. | 'Ne gute Idee. | ’s war so. | Siehe Abschn. 4 und Anm. 2, bspw. Kant.",
    ],
    "es": [
        (
            "El Mag. Gil y la Profa. Ruiz viven en la Av. Bolívar. | El art. 4 y el nro. 8 son clave. | "
            "Vimos el mar. | Es azul."
        ),
        "El Ing. Soto trabaja en la Cía. Minera. | Llegó el mar. 3 de mar. de 2024 y esperó 5 min. | Luego se fue.",
    ],
    "fr": [
        (
            "Le Pr. Martin habite av. Foch. | Il aime la mer. | Elle nage. | C'est mer. 14 févr. à 10 h. | "
            "Il attend 5 min. | Puis il part."
        ),
        "Voir réf. 12 et fasc. 3. | « Va-t'en ! » | Puis elle part.",
    ],
    "it": [
        (
            "Il Dott. Rossi e l'Avv. Bianchi vivono in P.zza Garibaldi. | Vedi art. 5. | Era mar. 5 set. 2023. | "
            "Aspetta 5 min. | Poi va."
        ),
        "La Sig.ra Verdi sta in V.le Monza. | 'Ndrangheta è il nome. | Vedi il mar. | È blu.",
    ],
    "nl": [
        (
            "We zien elkaar op vr. 14 feb. | 't Is mooi weer. | 's Morgens is het zo. | "
            "Kom op zo. 4 apr. of do. 8 mei. | 's-Hertogenbosch ligt daar. | Goed. | 't is laat."
        ),
        "Prof. Jansen woont in de Kerkstr. 5. | Het duurt 5 min. | Daarna gaat hij.",
    ],
    "pt": [
        (
            "Vive na Av. Sempre Viva. | O Eng. Lima mora na R. Augusta. | Ele quer ter. | Ela não. | "
            "É seg. 5 fev. | São 5 min. | Depois vai."
        ),
        "'Tá bom. | 'Cê vem? | Vou.",
    ],
    "ru": [
        (
            "Статья опубликована в мар. 2024 г. | Он родился в XIX в. | Потом уехал. | См. рис. 5 на стр. 14. | "
            "Жил в г. Москва, д. 5."
        ),
        "Чл.-корр. Петров приехал в пн. 5 фев. | Это стоит 500 руб. | Он ушёл.",
    ],
}


@pytest.mark.parametrize(
    ("language", "line"), [(language, line) for language, lines in LANGUAGE_LINES.items() for line in lines]
)
def test_the_prose_chunker_knows_titles_streets_days_and_units_of_a_language(language, line):
    expected = line.split(" | ")

    assert sentences(" ".join(expected), language) == expected


LANGUAGE_CASES = {
    "de": [
        "Heute kommt Dr. med. Müller, d.h. am 3. Mai um ca. 10 Uhr.",
        "Das steht auf S. 23, vgl. Abb. 4.",
        "Er kam im 19. Jahrhundert, z. B. nach Köln.",
        "Friedrich II. regierte lange usw.",
        "Der König starb.",
        "„Komm! Los!“, rief sie.",
    ],
    "fr": [
        "Nous voyons M. Dupont et Mme Curie, c.-à-d. des savants.",
        "Où est-elle ?",
        "« Très bien. »",
        "C'est l'art. 4, p. 12.",
    ],
    "es": [
        "El Sr. García llega hoy.",
        "¿Vienes mañana?",
        "¡Qué bien!",
        "La Dra. Ruiz vive en la Avda. Central, n.º 4.",
    ],
    "it": ["Buongiorno!", "Sono l'Ing. Mengozzi.", "È presente il Sig. Rossi?", "Vedi pag. 12."],
    "nl": ["Dhr. Jansen komt bijv. morgen.", "De prijs is o.a. hoog enz.", "Dat klopt."],
    "pt": ["O Sr. Silva chega hoje, p. ex. às 10 h.", "Você vem amanhã?", "Ótimo."],
    "ru": [
        "Сегодня придёт проф. Иванов на ул. Ленина.",
        "А. С. Пушкин родился в 1799 г. в Москве.",
        "Правда?",
        "Да.",
    ],
    "ja": ["今日はNo.5を選びます。", "明日来ますか？"],
    "zh": ["请发送邮件到a.b@example.com。", "谢谢！"],
}


@pytest.mark.parametrize("language", LANGUAGE_CASES)
def test_the_prose_chunker_knows_the_abbreviations_of_a_language(language):
    expected = LANGUAGE_CASES[language]

    assert sentences(("" if language in ("ja", "zh") else " ").join(expected), language) == expected


def test_every_language_has_test_cases():
    assert LANGUAGE_CASES.keys() | {"en"} == LANGUAGES.keys()


def test_the_prose_chunker_follows_the_golden_rules():
    assert [(case["rule"], sentences(case["text"])) for case in GOLDEN] == [
        (case["rule"], case["expected"]) for case in GOLDEN
    ]


# The number of cases in each set that the rules decide differently: two sentences within one bracket, a semicolon as a
# terminator, "U.S. Another" as one sentence, a German date in an English text, an initial in mathematics.
KNOWN = {"pysbd": 1, "syntok": 9}


@pytest.mark.parametrize("name", PUBLIC)
def test_the_prose_chunker_finds_public_sentences_except_for_the_known_differences(name):
    wrong = [case["text"] for case in PUBLIC[name] if sentences(case["text"]) != case["expected"]]

    assert len(wrong) <= KNOWN[name], wrong


# The user's abbreviations


def test_a_users_abbreviation_replaces_the_kind_that_the_language_gives_it():
    text = "He works at Acme Co. Meeting there, etc. Nobody."

    assert sentences(text, abbreviations=["Co.", "etc"]) == [text]


def test_a_users_abbreviation_with_a_period_in_it_is_not_split():
    assert sentences("Ask Food.Dr. Meier.", abbreviations=["Food.Dr."]) == ["Ask Food.Dr. Meier."]


def test_a_users_abbreviations_belong_to_one_strategy():
    ProseChunker("de", abbreviations=["Meierlich"])

    assert sentences("Das ist Meierlich. Kant kam.", "de") == ["Das ist Meierlich.", "Kant kam."]


def test_a_word_that_is_not_an_abbreviation_is_an_error_that_names_it():
    for word in ("z. B.", "5.", "x..", ".x", "so!", "", ".", "two words", None, 5):
        with pytest.raises(InvalidArgumentError, match=rf"list of words.* {re.escape(repr(word))} is not a word"):
            ProseChunker(abbreviations=["x", word])


def test_abbreviations_that_are_not_a_list_are_an_error():
    for given in ("approx.", 5):
        with pytest.raises(InvalidArgumentError, match="It must be a list of words"):
            ProseChunker(abbreviations=given)


def test_abbreviations_can_come_from_an_iterator():
    assert ProseChunker("de", abbreviations=iter(["Abt.", "z.B."])).abbreviations == ("Abt", "z.B")


# The strategy


def test_an_unknown_language_is_an_error_that_lists_the_known_languages():
    with pytest.raises(UnknownNameError, match=r"Unknown language 'tlh'. Choose from: 'de', 'en', .*'zh'") as caught:
        ProseChunker("tlh")

    assert isinstance(caught.value, ValueError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301  # it was pickled right here


def test_a_limit_below_one_is_an_error():
    with pytest.raises(InvalidArgumentError, match=r"Invalid max_chars: 0\. It must be") as caught:
        ProseChunker(max_chars=0)

    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301  # it was pickled right here


def test_the_repr_of_the_strategy_shows_its_settings():
    assert repr(ProseChunker("de", max_chars=80)) == "ProseChunker('de', max_chars=80)"


def test_a_chunk_that_is_too_long_is_split_after_its_last_whitespace():
    assert sentences("one two three four", max_chars=9) == ["one two", "three", "four"]


def test_a_split_far_back_keeps_the_text_after_it():
    chunker = ProseChunker(max_chars=200).chunker()
    found = [chunk.text for character in "one " + "a.bc" * 75 for chunk in chunker.feed(character)]

    assert found == ["one", "a.bc" * 50]
    assert [chunk.text for chunk in chunker.flush()] == ["a.bc" * 25]


def test_a_word_that_is_too_long_is_split_at_the_limit():
    assert sentences("abcdefgh. Xyz", max_chars=3) == ["abc", "def", "gh.", "Xyz"]


def test_a_fence_that_is_too_long_is_split_and_remains_code():
    assert sentences("```\nA. B C. D\n```\nE. F", max_chars=9) == ["```\nA. B", "C. D\n```", "E. F"]


def test_the_limit_applies_just_before_a_boundary():
    assert sentences("abcd!!!! E", max_chars=5) == ["abcd!", "!!!", "E"]


def test_a_quote_that_is_never_closed_does_not_stay_open():
    long = '"Never closed, ' + "and so on, " * 50 + "so it ends."

    assert sentences(long + " Next one.") == [long, "Next one."]


@pytest.mark.parametrize("opened", ['"', '(so "'])
def test_a_quote_that_was_opened_far_away_is_not_open(opened):
    said = f'He said {opened}{"so " * 90}{"very " * 60}far" and left.'
    assert sentences(f"{said} We stayed.") == [said, "We stayed."]


def test_a_quote_in_a_bracket_that_was_opened_far_away_is_closed():
    said = f'He said (so {"so " * 100}"{"very " * 60}far" and left.'
    assert sentences(f"{said} We stayed.") == [said, "We stayed."]


@pytest.mark.parametrize("quote", ['"', "'", "”", "«", "("])
def test_a_quote_in_a_code_span_opens_nothing(quote):
    assert sentences(f"Type `say {quote}so.` and wait. We stayed.") == [
        f"Type `say {quote}so.` and wait.",
        "We stayed.",
    ]


def test_an_apostrophe_does_not_close_a_single_quote():
    assert sentences("He said, 'Well. 'Tis fine.' We stayed.") == ["He said, 'Well. 'Tis fine.'", "We stayed."]


def test_a_quote_ends_with_its_paragraph():
    assert sentences('He said "Go."\n\nWe stayed.') == ['He said "Go."', "We stayed."]


def test_an_aside_after_an_acronym_continues_the_sentence():
    assert sentences("They moved to the U.S. (I did not). We stayed.") == [
        "They moved to the U.S. (I did not).",
        "We stayed.",
    ]


def test_a_number_after_a_hyphen_bullet_in_a_word_is_not_a_label():
    assert sentences("`x.y()`⁃9. The first item") == ["`x.y()`⁃9.", "The first item"]


def test_sentences_end_after_more_words_than_the_rules_keep():
    words = ["".join(letters) for letters in itertools.product("bdfgklmnprst", "aeiou", "bdfgklmnprst", ["ab", "el"])]
    expected = [f"We saw the {word}." for word in words]
    assert len(expected) > periods.KNOWN
    assert sentences(" ".join(expected)) == expected


def test_a_pause_of_many_spaces_ends_a_sentence():
    assert sentences("It ends." + " " * 100 + "It begins.") == ["It ends.", "It begins."]


def test_a_long_run_of_terminators_still_ends_a_sentence():
    assert sentences("No" + "!" * 100 + " Yes.") == ["No" + "!" * 100, "Yes."]


def test_an_apostrophe_inside_a_word_does_not_close_a_quotation():
    nesting = Nesting()
    nesting.note_single_quote("‘", 0, "", "I")
    nesting.note_single_quote("’", 7, "‘It isn", "t")
    assert nesting.is_inside(8)
    nesting.note_single_quote("’", 13, "‘It isn’t so.", " ")
    assert not nesting.is_inside(14)
