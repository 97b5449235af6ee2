import gc

import pytest

from chassis.garbage import collected_rarely


def test_what_was_there_is_left_out_and_looked_at_again_afterwards():
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with collected_rarely():
        assert gc.get_freeze_count() > frozen
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_so_it_is_when_the_block_fails():
    before = gc.get_threshold()
    with pytest.raises(ZeroDivisionError), collected_rarely():
        raise ZeroDivisionError
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
