"""The parts of an event of OpenAI's responses, and the deltas that are made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.model import Delta, ToolCallDelta
from pytest_streamval.wire.error_reports import ProviderReportError, provider_report
from pytest_streamval.wire.json_values import expect, optional

if TYPE_CHECKING:
    from pytest_streamval.wire.encoding import Json
    from pytest_streamval.wire.openai_responses_items import Channel, Item, PiecesForm


def place_of(body: Json) -> tuple[int | None, str | None]:
    """Return the position and the id of the item of an event."""
    return optional(body.get("output_index"), int, "output_index"), optional(body.get("item_id"), str, "item_id")


def part_of(pieces: PiecesForm, body: Json) -> int:
    """Return the position of the part of an event, 0 if there is none."""
    return optional(body.get(pieces.part), int, pieces.part) or 0 if pieces.part else 0


def delta_of(item: Item, channel: Channel, text: str) -> Delta | None:
    """Return the delta for a text of an item."""
    if not text:
        return None
    match channel:
        case "text":
            return Delta(text)
        case "refusal":
            return Delta(refusal=text)
        case "arguments":
            return Delta(tool_calls=(ToolCallDelta(item.call, arguments=text, kind=item.kind),))
    return Delta(thinking=text)


def text_of_piece(body: Json) -> str:
    """Return the new text of an event. The first form of reasoning events had it in an object."""
    piece = body.get("delta")
    if isinstance(piece, dict):
        return expect(piece.get("text"), str, "delta.text")
    return expect(piece, str, "delta")


def reason_of(response: Json, path: str) -> str | None:
    """Return the reason of an incomplete response, or its status. None if both are missing."""
    details = optional(response.get("incomplete_details"), dict, f"{path}incomplete_details") or {}
    reason = optional(details.get("reason"), str, f"{path}incomplete_details.reason")
    return reason or optional(response.get("status"), str, f"{path}status") or None


def failure_in(body: Json, data: str) -> ProviderReportError:
    """Return the error of a frame: nested, inside a response, or bare."""
    response = body.get("response")
    nested = body.get("error") or (response.get("error") if isinstance(response, dict) else None)
    return provider_report(nested or {name: value for name, value in body.items() if name != "type"}, data)
