"""Mutated streams that the official clients read completely are read completely here, or a difference has a reason."""

import pytest

from tests.sdks.differential import PROTOCOLS, Mutant, difference, encoded, mutants, official, streams

# `python -m tests.sdks.differential` makes 20,000 of each protocol.
NUMBER = 150
SEED = 7


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_mutant_that_a_client_reads_completely_is_read_completely(protocol):
    found = [(mutant, difference(mutant)) for mutant in mutants(protocol, NUMBER, SEED)]
    unexplained = [(mutant.change, *found) for mutant, found in found if found is not None and not found[0]]
    assert unexplained == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_client_reads_many_of_the_mutants_completely(protocol):
    complete = [mutant for mutant in mutants(protocol, NUMBER, SEED) if official(mutant) is not None]
    assert len(complete) > NUMBER / 4


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_stream_before_its_mutation_is_read_as_the_client_reads_it(protocol):
    unchanged = [Mutant(protocol, encoded(protocol, given), "none") for given in list(streams(protocol))[:2]]
    assert [official(each) is not None for each in unchanged] == [True] * 2
    assert [difference(each) for each in unchanged] == [None] * 2


def test_the_mutants_of_a_seed_are_the_same():
    assert list(mutants("gemini", 20, 3)) == list(mutants("gemini", 20, 3))
    assert list(mutants("gemini", 20, 3)) != list(mutants("gemini", 20, 4))
