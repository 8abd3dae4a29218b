import gc

from serinus_runtime.service import collect_garbage_rarely


def test_garbage_is_collected_in_short_passes_and_what_was_imported_is_never_looked_through_again() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    gc.unfreeze()
    try:
        collect_garbage_rarely()
        assert gc.get_freeze_count() > 10_000
        # A pass over so many young objects takes a millisecond or two.
        assert gc.get_threshold()[0] <= 3_000
    finally:
        if not frozen:
            gc.unfreeze()
        gc.set_threshold(*before)
