from dataclasses import replace

from serinus_console.domain.card import Asked, Card, told

from tests.support import observed, plan, verdict


def test_what_is_told_of_a_run_that_was_never_observed_is_dropped() -> None:
    assert told(None, verdict()) is None
    assert told(None, observed()) == Card(observed())


def test_a_verdict_never_goes_back() -> None:
    card = Card(observed(), plan(), verdict(end=2_000))
    assert told(card, verdict(end=1_000)) == card
    later = verdict(end=2_000, sentence="again")
    assert told(card, later) == replace(card, verdict=later)


def test_a_verdict_is_current_for_its_step_only() -> None:
    card = Card(observed(), plan(), verdict())
    assert card.current == verdict()
    assert replace(card, observed=observed(step=2)).current is None


def test_what_people_asked_for_is_read_from_the_controllers_memory() -> None:
    memory = b'{"approvals": {"3": {"actor": "bob", "command": "01J"}}, "held": "alice: lunch"}'
    assert Asked.read(memory) == Asked("alice: lunch", {3: "bob"})
    assert Asked.read(None) == Asked()
