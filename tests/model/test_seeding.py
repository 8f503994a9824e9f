"""What a block draws from torch follows from its seed, and the caller draws as if there had been no block."""

from __future__ import annotations

import os
import threading

import pytest
import torch

from fedsov.model.seeding import seeded


def test_the_caller_goes_on_drawing_as_if_there_had_been_no_block_even_where_it_fails():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    with seeded(5):
        inside = torch.rand(4)
    with pytest.raises(TypeError), seeded(7):
        torch.rand("many")
    with seeded(None):
        assert torch.equal(torch.rand(4), expected)
    assert torch.equal(torch.rand(4), expected)
    with seeded(5):
        assert torch.equal(torch.rand(4), inside)


def test_threads_that_draw_at_once_draw_each_by_its_own_seed():
    drawn: dict[int, torch.Tensor] = {}

    def draw(seed: int) -> None:
        with seeded(seed):
            drawn[seed] = torch.cat([torch.rand(1) for _ in range(200)])

    threads = [threading.Thread(target=draw, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(4):
        draw_alone = torch.Generator().manual_seed(seed)
        assert torch.equal(drawn[seed], torch.cat([torch.rand(1, generator=draw_alone) for _ in range(200)]))


def test_a_fork_draws_though_another_thread_was_drawing_when_it_was_made():
    inside, ended = threading.Event(), threading.Event()

    def hold() -> None:
        with seeded(1):
            inside.set()
            ended.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(20)
    child = os.fork()
    if child == 0:
        with seeded(2):
            os._exit(0)
    ended.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
