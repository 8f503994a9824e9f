"""The log of requests: each input and output of a region's endpoint, encrypted, chained, erasable by person.

    log = RequestLog.open(place_in(folder, "DE"), LogSettings())
    log.put(Line("r-1", time(), "DE", model="stackoverflow-de", version=1, body=body, answer=answer))
    log.close()

Every line is one labelled record of its person's jurisdiction. What it promises: an answered request has its line
(`durable: before_answer`), a byte that is changed and a batch that is missing are named (`fedsov requests verify`), one
person's requests and answers become unreadable by one key deleted, and nothing of a request lies in the clear.

    lines.py         a line, and a batch of lines as bytes
    segments.py      a file of batches, each bound to all before it
    log_secrets.py   the secrets behind every key of the log, wrapped by the region's keys
    subject_keys.py  a key for each person
    open_segment.py  the file that is being written, torn ends, space set aside for a full disk
    worker_chain.py  what one worker writes: rotations, notes in the ledger, a full disk
    sealed_lines.py  which key seals which line
    writer.py        the thread that writes what requests put
    head_notes.py    what the region's ledger knows of the log
    opening.py       a log by its region's folder

It does not hide from the region's owner who asked: whoever has the region's keys reads every line that is not erased.
docs/decisions/0049.
"""

from fedsov.errors import LogFull, RequestLogBroken
from fedsov.inference.request_log.lines import Line
from fedsov.inference.request_log.opening import place_in
from fedsov.inference.request_log.settings import LogPlace, LogSettings
from fedsov.inference.request_log.writer import RequestLog

__all__ = ["Line", "LogFull", "LogPlace", "LogSettings", "RequestLog", "RequestLogBroken", "place_in"]
