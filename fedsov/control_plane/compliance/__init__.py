"""The record of processing and cross-border transfers: ledger entries in, one value, its JSON and its page out.

    record = record_of([read_book("DE", entries, head=head)], on=date.today())
    record.to_json(), as_html(record)

`entries` reads ledger entries, `counts` counts crossings, `documents` lists what they rest on. `record` assembles one
value with its warnings. `page` renders it (with jinja2, which is not imported here).
"""

from __future__ import annotations

from fedsov.control_plane.compliance.entries import LedgerView, read_book
from fedsov.control_plane.compliance.record import Record, record_of

__all__ = ["LedgerView", "Record", "read_book", "record_of"]
