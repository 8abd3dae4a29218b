from serinus_contracts import AnalysisPlan, ArmRule

from tests.support import plan


def test_the_digest_names_the_content_and_survives_a_round_trip() -> None:
    one = plan()
    assert AnalysisPlan.model_validate_json(one.canonical).digest == one.digest
    assert plan(interval=2.0).digest != one.digest


def test_a_changed_copy_has_a_digest_of_its_own_and_is_another_plan() -> None:
    one = plan()
    changed = one.model_copy(update={"interval": one.interval + 1})
    assert (changed == one, changed.digest == one.digest) == (False, False)
    assert {changed.model_copy(update={"interval": one.interval})} == {one}


def test_an_arm_is_told_by_the_first_rule_whose_label_the_series_carries() -> None:
    one = plan(
        arms=(
            ArmRule(label="pod", canary="checkout-new-.*", stable="checkout-old-.*"),
            ArmRule(label="service", canary="checkout-canary", stable="checkout-stable"),
        )
    )
    assert one.arm({"service": "checkout-canary"}) == "canary"
    # Argo leaves the canary Service on old pods for a while: the pod decides.
    assert one.arm({"service": "checkout-canary", "pod": "checkout-old-1"}) == "stable"
    assert one.arm({"service": "checkout-canary", "pod": "checkout-older-1"}) is None
    assert one.arm({"job": "x"}) is None
