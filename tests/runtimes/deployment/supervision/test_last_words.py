import traceback
from functools import reduce

from fedsov.runtimes.deployment.supervision.last_words import LastWords
from fedsov.runtimes.deployment.supervision.log_lines import LogLines


def _after(text):
    return reduce(LastWords.after, text.splitlines(), LastWords())


def test_a_trace_is_the_errors_type_and_place():
    try:
        raise KeyError("Jane Doe")
    except KeyError:
        words = _after(traceback.format_exc())
    assert words.error.startswith("KeyError at supervision/test_last_words.py:") and "Jane" not in words.error
    assert words.withheld == 4


def test_an_error_of_import_is_told_whole():
    trace = 'Traceback (most recent call last):\n  File "/a/b.py", line 1, in <module>\n'
    assert _after(trace + "ModuleNotFoundError: No module named 'flwr'").error == (
        "ModuleNotFoundError at a/b.py:1: No module named 'flwr'"
    )


def test_what_is_neither_a_log_line_nor_a_trace_is_counted():
    assert _after("patient=Jane Doe\n\nError of Jane\n") == LastWords(withheld=2)


def test_a_fault_that_was_logged_is_the_last_word(capsys):
    LogLines("DE").info("ready", "is ready")
    LogLines("DE").fault("the process ends", ValueError("Jane"))
    LogLines("DE").info("stop", "ends")
    assert _after(capsys.readouterr().err) == LastWords("ValueError")
