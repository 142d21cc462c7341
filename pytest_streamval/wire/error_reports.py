"""The errors that providers and their gateways report inside of a stream, in all forms that are known.

Sources: `error` at the top of a frame (OpenAI, Anthropic, Gemini, Ollama), an object of the type "error" (vLLM,
LiteLLM), `code` and `message` (DashScope), `error_code` and `error_msg` (Qianfan), a line `error: {...}` between the
frames (llama.cpp), `base_resp` with a code (MiniMax: https://github.com/infiniflow/ragflow/pull/17292), a list of
`errors` (Cloudflare), `ErrorMsg` and `Response.Error` (Hunyuan), the name of an exception as a field (Bedrock), and
words that are no JSON, such as a Python dictionary or `[ERROR] ...`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_streamval.wire.json_values import first_value

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNKNOWN = "an error"
_NO_WORDS = "The provider gave no message."
_KIND_FIELDS = ("type", "status", "code", "error_code", "status_code", "statusCode", "Code")
_MESSAGE_FIELDS = ("message", "msg", "error_msg", "status_msg", "Message", "Msg")
_CODE_FIELDS = ("code", "error_code", "status_code", "statusCode")
_SUCCESS = (None, 0, "0", 200, "200", "")
_LEAST_STATUS = 400  # of an error
_BESIDE_A_MESSAGE = {*_MESSAGE_FIELDS, "type", "param", "request_id", "requestId", "RequestId"}
# "error" among the first words of a text that is no JSON, but not as a field without a value.
_ERROR_WORDS = re.compile(r"\A\W*+(?:\w++\W++){0,3}?error\b(?!\W*(?:null|None|false|False)\b)", re.IGNORECASE)


class ProviderReportError(Exception):
    """An error that the provider reports. The decoder turns it into a `ProviderStreamError` with the text so far."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind, message)
        self.kind = valid_text(kind)
        self.message = valid_text(message)


def provider_report(error: object, data: str) -> ProviderReportError:
    """Return the error in a provider's report of any form. Missing parts are taken from the frame's own `data`."""
    if not isinstance(error, dict):
        return ProviderReportError(_UNKNOWN, error if isinstance(error, str) else data)
    kinds = (error.get(field) for field in _KIND_FIELDS)
    kind = next((str(kind) for kind in kinds if kind and isinstance(kind, str | int)), _UNKNOWN)
    messages = (error.get(field) for field in _MESSAGE_FIELDS)
    return ProviderReportError(kind, next((message for message in messages if isinstance(message, str)), data))


def report_in(body: Mapping[str, object], data: str) -> ProviderReportError | None:
    """Return the error that a frame reports at its top, or None. `data` is the frame as text."""
    error = body.get("error")
    if error:
        return provider_report(error, data)
    if "error" in (body.get("object"), body.get("type")):
        return provider_report(body, data)
    base = body.get("base_resp")
    if isinstance(base, dict) and base.get("status_code"):
        return provider_report(base, data)
    return None


def report_without_output(body: Mapping[str, object], data: str) -> ProviderReportError | None:
    """Return the error in a frame that has no part of an output, or None."""
    nested = _nested_error(body)
    if nested is not None:
        return provider_report(nested, data)
    if not any(isinstance(body.get(field), str) and body[field] for field in _MESSAGE_FIELDS):
        return provider_report(body, data) if body.get("detail") else None
    status = body.get("status")
    is_failure = (isinstance(status, int) and status >= _LEAST_STATUS) or body.get("success") is False
    has_code = any(body.get(field) not in _SUCCESS for field in _CODE_FIELDS)
    return provider_report(body, data) if is_failure or has_code or body.get("detail") or _is_bare(body) else None


def _is_bare(body: Mapping[str, object]) -> bool:
    """Return whether a frame has a message and nothing else, at most the name of an error as its type."""
    kind = body.get("type", "error")
    is_error = isinstance(kind, str) and any(word in kind.lower() for word in ("error", "exception"))
    return is_error and body.keys() <= _BESIDE_A_MESSAGE


def _nested_error(body: Mapping[str, object]) -> object:
    """Return the error inside of a field of another name, or None."""
    response = body.get("Response")
    errors = body.get("errors")
    found = [
        body.get("ErrorMsg"),
        response.get("Error") if isinstance(response, dict) else None,
        errors[0] if isinstance(errors, list) and errors else None,
        *(value for name, value in body.items() if name.endswith("Exception")),
    ]
    return next((error for error in found if isinstance(error, dict) and error), None)


def report_in_words(data: str) -> ProviderReportError | None:
    """Return the error in a frame that is no JSON object, or None."""
    value = first_value(data)
    if isinstance(value, list) and value:  # Gemini's stream without `alt=sse`
        value = value[0]
    if isinstance(value, dict):
        return report_in(value, data)
    return report_of_words(data) if _ERROR_WORDS.match(data) else None


def report_of_words(data: str) -> ProviderReportError:
    """Return the error with these words, which can be JSON, broken JSON, plain text or nothing."""
    value = first_value(data)
    if isinstance(value, dict):
        return provider_report(value.get("error") or value, data)
    return provider_report(value if isinstance(value, str) and value else data.strip() or _NO_WORDS, data)


def report_outside_frames(text: str) -> ProviderReportError | None:
    """Return the error in a text outside of the fields of SSE, or None: plain JSON, or the field `error`."""
    name, _, value = text.partition(":")
    if name.strip() == "error":
        return report_of_words(value)
    value_at_start = first_value(text)
    return report_in_words(text) if isinstance(value_at_start, dict | list) else None


def report_in_rest(text: str) -> ProviderReportError | None:
    """Return the error after the last frame, or None: plain JSON, or an event that has no blank line."""
    name, _, rest = text.partition("\n")
    if name.replace(" ", "").rstrip() == "event:error":
        return report_of_words(rest.partition("data:")[2])
    return report_outside_frames(text)


def report_in_form(form: Mapping[str, object], data: str) -> dict[str, object] | None:
    """Return the error in a text if it has the form of a protocol's errors, without other fields, or None.

    Args:
        form: An error of the protocol, with any values.
        data: The text.
    """
    value = first_value(data)
    if not isinstance(value, dict) or not form.keys() <= value.keys():
        return None
    own, error = form["error"], value["error"]
    if isinstance(own, dict) and isinstance(error, dict):
        has_form = isinstance(error.get("message"), str) and ("status" in error) == ("status" in own)
    else:
        has_form = bool(error) and isinstance(own, str) and isinstance(error, str)
    return {name: each for name, each in value.items() if name in form or name == "request_id"} if has_form else None


def valid_text(text: str) -> str:
    """Return a text that can be encoded as UTF-8."""
    return text.encode(errors="replace").decode()
