"""The modes `debate` and `adversarial` of a council."""

from __future__ import annotations

from pytest_streamval import ModelOption, Raise, Script
from tests.council.doubles import Never


def prompts_of(member) -> list[str]:
    return [str(call.action) for call in member.backend.calls]


async def test_a_debate_shows_each_member_the_answers_of_its_peers_without_names(council) -> None:
    the_council = council(
        {"alice": ["cats", "cats still"], "bob": ["dogs", "cats too"], "carol": ["fish", "fish"]}, synthesizer="Cats."
    )
    result = await the_council.debate("Which pet?")
    first, second = prompts_of(the_council.members[0])
    assert first == "Which pet?"
    assert (
        second.index("## Your answer\n\ncats")
        < second.index("## Answer 1\n\ndogs")
        < second.index("## Answer 2\n\nfish")
    )
    assert "bob" not in second
    assert result.mode == "debate"
    assert [answer.text for answer in result.answers] == ["cats still", "cats too", "fish"]
    assert [[answer.text for answer in turn] for turn in result.rounds] == [
        ["cats", "dogs", "fish"],
        ["cats still", "cats too", "fish"],
    ]
    assert result.synthesis == "Cats."
    assert "cats too" in prompts_of(the_council.synthesizer)[0]
    assert not any(ModelOption.STREAM in call.model_options for m in the_council.members for call in m.backend.calls)


async def test_a_debate_continues_without_a_failed_member(council) -> None:
    broken = Script.of("do", Raise(ValueError("gone")))
    the_council = council({"alice": ["cats"] * 3, "bob": ["dogs", broken], "carol": ["fish"] * 3}, synthesizer="Cats.")
    result = await the_council.debate("Which pet?", rounds=3)
    assert [len(turn) for turn in result.rounds] == [3, 3, 2]
    assert [answer.text for answer in result.answers] == ["cats", "do", "fish"]
    assert result.answers[1].error == "ValueError: gone"
    assert "dogs" not in prompts_of(the_council.synthesizer)[0]


async def test_a_debate_ends_with_the_last_member(council) -> None:
    broken = Script.of(Raise(ValueError("gone")))
    result = await council(["cats"], [broken], synthesizer="Cats.").debate("Which pet?", rounds=3)
    assert len(result.rounds) == 1
    assert result.synthesis == "Cats."


async def test_a_debate_of_failed_members_has_no_synthesis(council) -> None:
    broken = Script.of(Raise(ValueError("gone")))
    the_council = council([broken], [broken], synthesizer=[])
    result = await the_council.debate("Which pet?")
    assert result.synthesis is None
    assert result.synthesizer is None


async def test_a_debate_of_one_round_equals_ask(council) -> None:
    debated = await council("cats", "dogs", synthesizer="Cats.").debate("Which pet?", rounds=1)
    result = await council("cats", "dogs", synthesizer="Cats.").ask("Which pet?")
    assert (debated.answers, debated.synthesis) == (result.answers, result.synthesis)


async def test_the_adversarial_mode_proposes_refutes_and_judges(council) -> None:
    the_council = council({"alice": "Cats.", "bob": "They scratch.", "carol": "They purr."}, synthesizer="Cats it is.")
    result = await the_council.adversarial("Which pet?")
    assert prompts_of(the_council.members[0]) == ["Which pet?"]
    for member in the_council.members[1:]:
        (prompt,) = prompts_of(member)
        assert prompt.startswith("Refute")
        assert "## The proposed answer\n\nCats." in prompt
    (prompt,) = prompts_of(the_council.synthesizer)
    assert all(text in prompt for text in ("Cats.", "They scratch.", "They purr."))
    assert result.mode == "adversarial"
    assert [[answer.name for answer in turn] for turn in result.rounds] == [["alice"], ["bob", "carol"]]
    assert result.synthesis == "Cats it is."


async def test_the_adversarial_mode_ends_without_a_usable_proposal(council) -> None:
    the_council = council([Script.of(Raise(ValueError("gone")))], [], synthesizer=[])
    result = await the_council.adversarial("Which pet?")
    assert [answer.error for answer in result.answers] == ["ValueError: gone"]
    assert result.synthesis is None


async def test_the_adversarial_mode_judges_a_proposal_without_refutations(council) -> None:
    broken = Script.of(Raise(ValueError("gone")))
    the_council = council("Cats.", broken, synthesizer="Cats it is.")
    assert (await the_council.adversarial("Which pet?")).synthesis == "Cats it is."
    assert "Objections" not in prompts_of(the_council.synthesizer)[0]
    assert (await council("Cats.", synthesizer="Cats it is.").adversarial("Which pet?")).synthesis == "Cats it is."


async def test_requirements_apply_in_every_round_of_a_debate(council) -> None:
    the_council = council(["cats", "cats"], ["fish", "dogs"], synthesizer="Cats.", requirements=[Never("dogs")])
    result = await the_council.debate("Which pet?")
    assert result.answers[1].failed_requirement == "Never('never say dogs'): it says dogs"
    assert "dogs" not in prompts_of(the_council.synthesizer)[0]
