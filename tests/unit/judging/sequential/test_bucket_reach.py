"""What buckets can show is said before a run, with the edges that would help."""

from serinus_judging.sequential.bucket_reach import bucket_reach

CLASSIC = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


def test_buckets_around_a_log_normal_latency_show_the_margin() -> None:
    reach = bucket_reach(CLASSIC, (1, 25, 1_434, 5_760, 7_600, 4_660, 486, 33, 1), 1.2)
    assert reach.exact
    assert reach.fix == ""


def test_one_bucket_with_nearly_all_says_from_where_on_it_sees_and_which_edges_help() -> None:
    reach = bucket_reach(CLASSIC, (0, 0, 80, 1300, 20, 0, 0, 0, 0), 1.2)
    assert reach.text == (
        "with these buckets a slowdown is seen from 1.66× on, one of up to 1.06× is proved to be allowed "
        "(the margin is 1.2×)"
    )
    assert reach.fix == "add edges at 41.7 ms, 83.3 ms, or use native histograms"


def test_a_proof_that_can_never_come_is_said() -> None:
    reach = bucket_reach((0.1, 1.0), (500, 495, 5), 1.2)
    assert reach.shown is None
    assert "no canary can be proved to be fast enough" in reach.text


def test_buckets_that_see_nothing_get_edges_around_p50_and_p95() -> None:
    reach = bucket_reach((1.0, 2.0), (500, 0, 0), 1.2)
    assert reach.text == "with these buckets no slowdown can be seen"
    assert reach.fix == "add edges at 500 ms, 600 ms, 950 ms, 1.14 s, or use native histograms"
