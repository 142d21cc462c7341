"""Old recordings lose their secrets, and nothing else changes in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_streamval import Cassette, InvalidArgumentError, Read
from pytest_streamval.cli import main
from pytest_streamval.http.secrets import Secrets
from pytest_streamval.http.secrets.declared_secrets import declared
from pytest_streamval.http.secrets.secret_names import is_secret_name
from pytest_streamval.recordings.scrubbing import scrubbed

STREAMS = Path(__file__).parent.parent / "data" / "streams"
ARGUMENTS = json.dumps({"api_key": "horse battery staple", "n": 3})
HEADER = {
    "protocol": "openai",
    "server": "https://me:planted-1-user@host",
    "path": "/v1/chat/completions?key=planted-2-query&alt=sse",
    "request": {
        "model": "m",
        "messages": [
            {"role": "user", "content": "DB_PASSWORD=planted-3-line"},
            {"tool_calls": [{"arguments": ARGUMENTS}]},
        ],
        "client_secret": {"value": "planted-4-object", "n": 12345678},
    },
    "status": 200,
    "headers": [["content-type", "text/event-stream"], ["set-cookie", "a=planted-5-cookie"]],
    "end": {"how": "broken", "at": 2.0, "why": "no planted-3-line"},
}
TEXT = 'data: {"choices": [{"delta": {"content": "planted-3-line, horse battery staple, planted-4-object"}}]}\n\n'
PLANTED = ("planted-", "horse", "12345678")


def cassette(path: Path, header: dict[str, object] = HEADER) -> Cassette:
    return Cassette(str(path), header, (Read(0.5, TEXT[:70].encode()), Read(1.0, TEXT[70:].encode() + b"\xff")))


def test_scrubbing_removes_the_secrets_of_a_recording(tmp_path) -> None:
    old = cassette(tmp_path / "it.jsonl")
    clean = scrubbed(old)
    clean.dump()
    written = (tmp_path / "it.jsonl").read_text()
    assert not any(planted in written for planted in PLANTED)
    assert [(read.at, len(read.data)) for read in clean.reads] == [(read.at, len(read.data)) for read in old.reads]
    assert clean.header["path"] == "/v1/chat/completions?key=[redacted]&alt=sse"
    assert scrubbed(Cassette.load(tmp_path / "it.jsonl")) == Cassette.load(tmp_path / "it.jsonl")


@pytest.mark.parametrize("path", sorted(STREAMS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_scrubbing_changes_no_recording_without_secrets(path) -> None:
    assert scrubbed(Cassette.load(path)) == Cassette.load(path)


@pytest.mark.parametrize(
    "header",
    [
        {"protocol": "openai"},
        {"protocol": "openai", "request": None, "headers": None, "path": "/a b?q=é"},
        {"protocol": "openai", "request": "a text"},
        {"protocol": "openai", "request": "[1, 2]", "end": {"how": "left"}},
    ],
)
def test_scrubbing_keeps_an_unusual_header(tmp_path, header) -> None:
    assert scrubbed(cassette(tmp_path / "it", header)).header == header


def test_scrubbing_redacts_a_form(tmp_path) -> None:
    old = cassette(tmp_path / "it", {"protocol": "openai", "request": "grant=a&password=planted-6"})
    assert scrubbed(old).header["request"] == "grant=a&password=[redacted]"


# The command


def test_the_command_scrub_writes_the_files_that_have_secrets(tmp_path, capsys) -> None:
    dirty, clean = tmp_path / "dirty.jsonl", tmp_path / "clean.jsonl"
    cassette(dirty).dump()
    cassette(clean, {"protocol": "openai"}).dump()
    before = clean.stat()
    assert main(["scrub", "--check", str(dirty), str(clean)]) == 1
    assert "planted-" in dirty.read_text()
    assert "dirty.jsonl: has secrets in header, server, header, path" in capsys.readouterr().out
    assert main(["scrub", str(dirty), str(clean)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{dirty}: secrets removed from header, server, header, path, header, request")
    assert lines[1] == f"{clean}: no secrets"
    assert "planted-" not in dirty.read_text()
    assert clean.stat().st_mtime_ns == before.st_mtime_ns
    assert main(["scrub", "--check", "--json", str(dirty)]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(dirty), "secrets_in": [], "written": False}


def test_the_command_scrub_takes_names_and_patterns(tmp_path) -> None:
    path = tmp_path / "it.jsonl"
    cassette(path, {"protocol": "openai", "request": {"tenant": "north wing", "text": "ACME-1234, North Wing"}}).dump()
    assert main(["scrub", "--secret", "tenant", "--secret", "ACME-[0-9]{4}", str(path)]) == 0
    assert Cassette.load(path).header["request"] == {"tenant": "[redacted]", "text": "[redacted], [redacted]"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.jsonl"], "missing.jsonl"),
        (["--secret", "(", "missing.jsonl"], "Invalid --secret: '('. It must be a name, such as x-tenant"),
        (["--secret", "a*", "missing.jsonl"], "It must not match an empty text"),
    ],
)
def test_the_command_scrub_names_what_is_wrong(arguments, message, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["scrub", *arguments])
    assert message in capsys.readouterr().err


# The user's own secrets


def test_declared_secrets_are_redacted_meanwhile() -> None:
    with declared(["X-Tenant", r"acme-\d{4}"], "streamval_secrets"):
        assert Secrets().headers({"x-tenant": "north", "x": "acme-1234"}) == {
            "x-tenant": "[redacted]",
            "x": "[redacted]",
        }
        assert Secrets().text("X-Tenant: north-1-wing", in_request=True) == "X-Tenant: [redacted]"
    assert Secrets().headers({"x-tenant": "north", "x": "acme-1234"}) == {"x-tenant": "north", "x": "acme-1234"}
    assert not is_secret_name("x-tenant")


def test_an_invalid_declaration_changes_nothing() -> None:
    with pytest.raises(InvalidArgumentError, match="streamval_secrets"), declared(["mine", "("], "streamval_secrets"):
        pass
    assert not is_secret_name("mine")
