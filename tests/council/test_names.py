"""Friendly names of models and named councils in a file."""

from __future__ import annotations

import json

import pytest

from pytest_streamval import Council
from pytest_streamval.cli import main
from pytest_streamval.council.names import NamedCouncil, find_names
from pytest_streamval.errors import InvalidArgumentError, UnknownNameError

NAMES = """
[models]
fast = "ollama:tiny"
smart = "nobody:large"

[councils.default]
models = ["fast", "smart"]
synthesizer = "smart"

[councils.pair]
models = ["fast", "fast", "ollama:other"]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder below the one with the file of names."""
    inner = tmp_path / "src" / "package"
    inner.mkdir(parents=True)
    (tmp_path / "streamval.toml").write_text(NAMES)
    monkeypatch.chdir(inner)
    return tmp_path


def test_names_are_those_of_the_nearest_folder_with_a_file(folder):
    names = find_names()
    assert names.path == folder / "streamval.toml"
    assert (names.spec("fast"), names.spec("openai:x")) == ("ollama:tiny", "openai:x")
    assert names.council("default") == NamedCouncil(("fast", "smart"), "smart")
    (folder / "src" / "pyproject.toml").write_text('[tool.streamval.models]\nfast = "ollama:nearer"\n')
    assert find_names().spec("fast") == "ollama:nearer"
    (folder / "src" / "pyproject.toml").write_text("[tool.other]\n")
    assert find_names(folder / "src").spec("fast") == "ollama:tiny"
    (folder / "src" / "pyproject.toml").write_text("no TOML, which its own tool reports")
    assert find_names().spec("fast") == "ollama:tiny"


def test_a_folder_without_a_file_has_no_names(tmp_path):
    names = find_names(tmp_path)
    assert names.spec("fast") == "fast"
    with pytest.raises(UnknownNameError, match=r"Unknown council 'default'.*streamval.toml"):
        names.council("default")


def test_a_named_council_has_its_members_under_their_friendly_names(folder):
    council = Council.named()
    assert [(member.name, member.model) for member in council.members] == [("fast", "tiny"), ("smart", "large")]
    assert council.synthesizer.name == "nobody:large"
    pair = Council.named("pair", synthesizer="ollama:tiny")
    assert [(member.name, member.model) for member in pair.members] == [
        ("fast", "tiny"),
        ("fast-2", "tiny"),
        ("ollama:other", "other"),
    ]
    assert pair.synthesizer.model == "tiny"
    with pytest.raises(UnknownNameError, match=r"Unknown council 'trio'\. Choose from: 'default', 'pair'"):
        Council.named("trio")


def test_a_named_council_without_a_file_says_that_there_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownNameError, match=r"Unknown council 'trio'\. There is none\. Councils are named in "):
        Council.named("trio")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models = 5", "Invalid models in .*: 5. It must be a table"),
        ("[models]\nfast = 5", "Invalid models.fast in .*: 5"),
        ('[models]\n"a:b" = "ollama:x"', "Invalid models.a:b in .*without a colon"),
        ("[councils]\na = 5", "Invalid councils.a in .*: 5"),
        ("[councils.a]\nmodels = []", "Invalid councils.a.models in .*: \\[\\]"),
        ("[councils.a]\nmodels = [5]", "Invalid councils.a.models in .*: \\[5\\]"),
        ('[councils.a]\nmodels = ["x"]\nsynthesizer = 5', "Invalid councils.a.synthesizer in .*: 5"),
        ('[councils.a]\nmodels = ["x"]\nurl = "http://else"', "Invalid councils.a in .*http://else"),
        ("[model]\nfast = 5", "Invalid model in .*It must be one of the tables models and councils"),
        ("[models", "Invalid TOML in .*It must be the text of a TOML file"),
    ],
)
def test_a_file_with_anything_else_than_names_is_an_error_that_names_the_place(tmp_path, text, message):
    (tmp_path / "streamval.toml").write_text(text)
    with pytest.raises(InvalidArgumentError, match=message):
        find_names(tmp_path)


def test_ask_takes_friendly_names_and_named_councils(folder, capsys, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")  # a port on which nothing listens
    for words in (["-m", "fast"], ["-c", "default", "--mode", "raw"], []):
        assert main(["ask", "Say it.", "--json", "--no-cache", *words]) == 1
    one, named, default = map(json.loads, capsys.readouterr().out.splitlines())
    assert [answer["name"] for answer in one["answers"]] == ["fast"]
    assert [answer["name"] for answer in named["answers"]] == ["fast", "smart"]
    assert [answer["name"] for answer in default["answers"]] == ["fast", "smart"]
    assert default["mode"] == "synthesize"


def test_ask_exits_with_2_for_an_unknown_council_and_without_members(folder, capsys):
    for words in (["-c", "trio"], []):
        (folder / "streamval.toml").write_text("[models]\n" if not words else NAMES)
        with pytest.raises(SystemExit) as exited:
            main(["ask", "Say it.", *words])
        assert exited.value.code == 2
    output = capsys.readouterr().err
    assert "Unknown council 'trio'" in output
    assert "-m/--model" in output


def test_providers_lists_the_names_of_the_file(folder, capsys):
    assert main(["providers"]) == 0
    assert capsys.readouterr().out.splitlines()[-4:] == [
        "fast = ollama:tiny",
        "smart = nobody:large",
        "council default of fast, smart, synthesized by smart",
        "council pair of fast, fast, ollama:other",
    ]
    assert main(["providers", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        "council": "pair",
        "models": ["fast", "fast", "ollama:other"],
        "synthesizer": None,
    }
    (folder / "streamval.toml").write_text("models = 5")
    with pytest.raises(SystemExit):
        main(["providers"])
    assert "Invalid models" in capsys.readouterr().err
