"""The redaction of timelines, which pages, parts and pictures show."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from pytest_streamval.http.secrets import Secrets, keys_in_environment

if TYPE_CHECKING:
    from pytest_streamval.report.timeline import Lane, Timeline, Verdict


def without_secrets(timeline: Timeline) -> Timeline:
    """Return a timeline without the API keys of the environment and without values that look like a key.

    In the text of the deltas they are overwritten with `*`, so that all offsets stay.
    """
    secrets = Secrets(keys_in_environment())
    stop = timeline.stop
    return replace(
        timeline,
        asked=secrets.text(timeline.asked),
        why=secrets.text(timeline.why),
        texts=_redacted_texts(timeline.texts, secrets),
        lanes=[_redacted_lane(lane, secrets) for lane in timeline.lanes],
        stop=stop and stop._replace(reason=secrets.text(stop.reason)),
    )


def _redacted_texts(texts: list[str], secrets: Secrets) -> list[str]:
    text = "".join(texts)
    spans = list(secrets.spans(text))
    if not spans:
        return texts
    characters = [*text]
    for start, end in spans:
        characters[start:end] = "*" * (end - start)
    clean = "".join(characters)
    return [clean[start:end] for start, end in pairwise(accumulate(map(len, texts), initial=0))]


def _redacted_lane(lane: Lane, secrets: Secrets) -> Lane:
    final = lane.final
    return lane._replace(
        name=secrets.text(lane.name),
        verdicts=[_redacted_verdict(verdict, secrets) for verdict in lane.verdicts],
        final=final and _redacted_verdict(final, secrets),
    )


def _redacted_verdict(verdict: Verdict, secrets: Secrets) -> Verdict:
    return verdict if verdict.reason is None else verdict._replace(reason=secrets.text(verdict.reason))
