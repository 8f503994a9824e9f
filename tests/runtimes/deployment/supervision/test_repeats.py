"""What comes again and again is told a few times, and then counted."""

from fedsov.runtimes.deployment.supervision.repeats import AT_ONCE, SECONDS, ThrottledEvents


def test_a_flood_of_one_kind_is_counted_and_told_with_its_number_and_others_go_on():
    told, now = [], [0.0]
    tell = ThrottledEvents(lambda event, text, **fields: told.append((event, text, fields)), clock=lambda: now[0])
    for number in range(1000):
        tell("message unreadable", f"message {number}", message=number)
    tell("connected", "to the hub")
    assert [event for event, _, _ in told] == ["message unreadable"] * AT_ONCE + ["connected"]
    now[0] = SECONDS
    tell.flush()
    event, text, fields = told[-1]
    assert (event, fields) == ("message unreadable", {"left_out": 1000 - AT_ONCE})
    assert text == f"{1000 - AT_ONCE} more events of this kind in 60 s, the last: message 999"
    tell.flush()
    assert len(told) == AT_ONCE + 2, "it is told once"
    tell("message unreadable", "again")
    assert told[-1][:2] == ("message unreadable", "again")
