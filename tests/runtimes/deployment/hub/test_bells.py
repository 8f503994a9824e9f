"""Long polls: they end when something comes, when time is over, when the asker is gone, and when the server ends."""

import asyncio
import threading
import time

from fedsov.runtimes.deployment.hub.bells import Bells


def waited(ring, seconds=5.0):
    """What a poll gives while `ring(bells, box, gone)` happens from another thread, and how long it took."""
    bells, box = Bells(), []

    async def take():
        return box.pop() if box else None

    async def poll():
        gone = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()
        threading.Timer(0.05, ring, (bells, box, lambda: loop.call_soon_threadsafe(gone.set_result, None))).start()
        return await bells.answer(("node", 1), take, seconds, gone)

    began = time.monotonic()
    return asyncio.run(poll()), time.monotonic() - began


def test_a_ring_from_another_thread_ends_the_wait():
    def ring(bells, box, leave):
        box.append("message")
        bells.ring(("node", 1))

    answer, seconds = waited(ring)
    assert answer == "message"
    assert seconds < 2


def test_a_ring_for_somebody_else_does_not():
    answer, seconds = waited(lambda bells, box, leave: (box.append("m"), bells.ring(("node", 2))), seconds=0.3)
    assert answer == "m"  # it is taken when the time is over, and not before
    assert seconds >= 0.25


def test_nothing_is_given_when_the_time_is_over():
    answer, seconds = waited(lambda bells, box, leave: None, seconds=0.2)
    assert answer is None
    assert 0.15 <= seconds < 2


def test_nothing_is_taken_for_an_asker_that_is_gone():
    boxes = []

    def ring(bells, box, leave):
        box.append("message")  # before the asker leaves: the poll may end at once, and with it this test's wait
        boxes.append(box)
        leave()

    answer, seconds = waited(ring)
    assert answer is None
    assert seconds < 2
    assert boxes == [["message"]]


def test_the_end_of_the_server_ends_every_wait():
    answer, seconds = waited(lambda bells, box, leave: bells.close())
    assert answer is None
    assert seconds < 2


def test_a_signal_that_comes_while_its_thread_holds_the_bells_may_close_them():
    bells, closed = Bells(), threading.Event()

    def interrupted():
        with bells._lock:
            bells.close()
            bells.ring(("node", 1))
        closed.set()

    threading.Thread(target=interrupted, daemon=True).start()
    assert closed.wait(5)
