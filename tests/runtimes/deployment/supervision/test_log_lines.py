import json
import logging
import subprocess
import sys
from datetime import UTC, datetime
from io import StringIO

import pytest

from fedsov.errors import FedsovError
from fedsov.runtimes.deployment.supervision.log_lines import LONGEST_TEXT, LogLines, error_in_a_line, log_entry


def _written(**options):
    stream = StringIO()
    return stream, LogLines("DE", stream, now=lambda: datetime(2026, 11, 30, 13, 5, tzinfo=UTC), **options)


def test_an_event_is_one_json_line():
    stream, lines = _written()
    lines.warning("restart", "its process ended", restarts=1, pause=0.5)
    assert json.loads(stream.getvalue()) == {
        "at": "2026-11-30T13:05:00.000Z",
        "level": "warning",
        "party": "DE",
        "event": "restart",
        "text": "its process ended",
        "fields": {"restarts": 1, "pause": 0.5},
    }


def test_a_terminal_gets_the_sentence():
    stream, lines = _written(plain=True)
    lines.info("ready", "is ready", port=1)
    assert stream.getvalue() == "13:05:00 DE: is ready\n"


def test_a_text_is_one_line_without_controls_and_has_an_end():
    stream, lines = _written()
    lines.info("x", "a\n\x1b[2Jb" + "c" * 2 * LONGEST_TEXT, where="d" * 2 * LONGEST_TEXT)
    entry = json.loads(stream.getvalue())
    assert entry["text"].startswith("a \\x1b[2Jbc") and len(entry["text"]) < LONGEST_TEXT + 30
    assert entry["fields"]["where"].endswith(f"({2 * LONGEST_TEXT} characters)")


def test_a_line_is_read_back_and_nothing_else_is():
    stream, lines = _written()
    lines.info("ready", "is ready")
    assert log_entry(stream.getvalue())["event"] == "ready"
    for other in ("", "x", "[1]", '{"event": "ready"}', stream.getvalue().replace('"DE"', "1"), "[" * 100_000):
        assert log_entry(other) is None


def _error(error):
    try:
        raise error
    except type(error) as caught:
        return error_in_a_line(caught)


def test_an_error_of_another_library_is_its_type_and_place_alone():
    said = _error(ValueError("patient=Jane Doe"))
    assert said.startswith("ValueError at supervision/test_log_lines.py:") and "Jane" not in said


def test_an_error_of_fedsov_says_its_sentence():
    assert _error(FedsovError("no such region: 'X'")) == "FedsovError: no such region: 'X'"


def test_a_full_or_closed_stream_does_not_end_the_party():
    stream, lines = _written()
    stream.close()
    lines.info("ready", "is ready")
    full = open("/dev/full", "w")  # noqa: SIM115 - closing it is what fails
    for _ in range(2):
        LogLines("DE", full).info("ready", "is ready")
    with pytest.raises(OSError, match="No space"):
        full.close()
    assert stream.closed


PROGRAM = """
import logging, threading
from fedsov.runtimes.deployment.supervision.log_lines import LogLines, write_python_logging
write_python_logging(LogLines("DE"){more})
logging.getLogger("flwr").info("patient=Jane Doe")
logging.getLogger("fedsov.region").warning("3 refusals")
try:
    raise KeyError("Jane Doe")
except KeyError:
    logging.getLogger("fedsov.region").exception("an answer failed")
thread = threading.Thread(target=lambda: 1 / 0, name="poll")
thread.start(); thread.join()
raise KeyError("Jane Doe")
"""


def _output(more=""):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("{more}", more)], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_python_logging_and_uncaught_errors_are_lines_without_values():
    output = _output()
    entries = [log_entry(line) for line in output.splitlines()]
    assert None not in entries and "Jane" not in output
    assert [entry["event"] for entry in entries] == ["log", "log", "log", "fault", "fault", "fault"]
    assert [entry["text"] for entry in entries][1:3] == ["3 refusals", "an answer failed"]
    assert entries[4]["text"].startswith("thread poll: ZeroDivisionError at ")
    assert entries[5]["text"].startswith("the process ends: KeyError at ")


def test_a_hub_asks_for_the_texts_of_other_loggers():
    assert "patient=Jane Doe" in _output(', texts_of=("fedsov", "flwr")')


@pytest.mark.parametrize(("level", "word"), [(logging.DEBUG, "info"), (logging.ERROR, "error")])
def test_levels_have_three_words(level, word):
    from fedsov.runtimes.deployment.supervision.log_lines import _RecordLines

    stream, lines = _written()
    _RecordLines(lines, ("fedsov",)).emit(logging.LogRecord("fedsov", level, "/a/b/c.py", 7, "x %s", (1,), None))
    entry = json.loads(stream.getvalue())
    assert (entry["level"], entry["text"], entry["fields"]["place"]) == (word, "x 1", "b/c.py:7")
