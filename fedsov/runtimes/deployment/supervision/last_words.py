"""What a process wrote before it ended, without a value of a row: which error it was, and where.

A process logs JSON lines, which are passed on. Whatever else it writes (a trace of Python, a library's print) may quote
a row, so its text is left out and counted; of a trace, the type of the error and its place in the code remain. Only
errors of import are told whole: they are about modules.

    words = LastWords()
    for line in output:
        words = words.after(line)
    words.error            # "KeyError at region/worker.py:120"
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from fedsov.runtimes.deployment.supervision.log_lines import FAULT, cut, log_entry, place

_FRAME = re.compile(r'\s*File "(?P<path>[^"]+)", line (?P<line>\d+)')
_ERROR = re.compile(r"(?P<type>[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning))(?:: (?P<text>.*))?$")
_OF_MODULES = ("ModuleNotFoundError", "ImportError")


@dataclass(frozen=True, slots=True)
class LastWords:
    """What is known of a process's end.

    Attributes:
        error: the last error that it wrote of, in a line; empty where there is none.
        withheld: lines whose text was left out.
    """

    error: str = ""
    withheld: int = 0
    _at: str = ""

    def after(self, line: str) -> LastWords:
        """With one more line of the process's output."""
        if entry := log_entry(line):
            error = entry["fields"].get("error") if entry["event"] == FAULT else None
            return replace(self, error=cut(str(error))) if error else self
        if frame := _FRAME.match(line):
            return replace(self, _at=f"{place(frame['path'])}:{frame['line']}", withheld=self.withheld + 1)
        if error := _ERROR.match(line):
            name = error["type"].rpartition(".")[2]
            text = f": {error['text']}" if name in _OF_MODULES and error["text"] else ""
            at = f" at {self._at}" if self._at else ""
            return LastWords(cut(f"{name}{at}{text}"), self.withheld + 1)
        return replace(self, withheld=self.withheld + 1) if line.strip() else self
