from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from fedsov.partition.pipeline.side_threads import Lane, ahead


def _counting(made: list[int], most: int = 10**9) -> Iterator[int]:
    for number in range(most):
        made.append(number)
        yield number


def test_items_come_in_their_order_from_another_thread() -> None:
    whose = []

    def items() -> Iterator[int]:
        for number in range(100):
            whose.append(threading.get_ident())
            yield number

    with ahead(items()) as numbers:
        assert list(numbers) == [*range(100)]
    assert threading.get_ident() not in whose


def test_few_items_are_made_before_they_are_asked_for() -> None:
    made: list[int] = []
    with ahead(_counting(made), most=2) as numbers:
        assert next(numbers) == 0
        time.sleep(0.2)
        assert len(made) <= 4
    time.sleep(0.1)
    assert len(made) <= 5, "nothing is made after the block"


def test_what_the_maker_raises_comes_after_what_it_made() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("second")

    with ahead(items()) as numbers:
        assert next(numbers) == 1
        with pytest.raises(KeyError, match="second"):
            next(numbers)


def test_a_block_that_raises_ends_its_thread() -> None:
    def stops() -> None:
        with ahead(_counting([])) as numbers:
            next(numbers)
            raise ValueError("mine")

    before = threading.active_count()
    with pytest.raises(ValueError, match="mine"):
        stops()
    assert threading.active_count() == before


def test_a_lane_does_all_in_order_and_little_waits() -> None:
    done: list[int] = []
    with Lane(most=2) as lane:
        for number in range(50):
            lane.submit(partial(done.append, number))
            assert number - len(done) <= 3
        lane.finish()
        assert done == [*range(50)]


def test_what_an_act_raises_is_raised_at_the_latest_at_the_end() -> None:
    def fails() -> None:
        raise OSError("the disk is full")

    with Lane() as lane:
        lane.submit(fails)
        with pytest.raises(OSError, match="full"):
            lane.finish()


def test_acts_that_have_not_begun_are_left_where_the_block_raises() -> None:
    done: list[int] = []
    begun, may_end = threading.Event(), threading.Event()

    def waits() -> None:
        begun.set()
        may_end.wait(5)

    def stops() -> None:
        with Lane(most=3) as lane:
            lane.submit(waits)
            lane.submit(partial(done.append, 1))
            begun.wait(5)
            threading.Timer(0.1, may_end.set).start()
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        stops()
    assert done == []
