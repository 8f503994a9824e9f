"""A line of the log, and a batch of lines as bytes, before it is encrypted.

A line's *content* is what is of a person: whom the request names, the request's body, the answer. It is sealed by the
person's own key where the request names one (`BY_SUBJECT`), by a key that the person's home region alone opens where
another region holds its people (`FOR_HOME`), or lies as it is within the encrypted batch (`PLAIN`). It may be left out:
for a person who was erased, or on a full disk. The rest says that, when and by which model an answer was given.

    batch    length of the table (4), table, lines
    table    JSON: the words that many lines share, and the keys of home regions
    line     time (8), place of its words in the table (2), length of its id (1), how its content lies (1),
             number of the content's key (8), length of the content (4); id; content
    content  length of the subject's name (2), of the body (4); name, body, answer
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fedsov.label import Label

PLAIN, BY_SUBJECT, FOR_HOME, ERASED, DISK_FULL = range(5)
"""How a line's content lies: as it is, sealed by a person's key, sealed for another region, left out because the person
was erased, left out because the disk was full."""
WITHHELD: Mapping[int, str] = {ERASED: "erased", DISK_FULL: "disk_full"}
LARGEST_ID, LARGEST_SUBJECT, LARGEST_CONTENT = 255, 10_000, 2**27
"""Letters of a request's id and of a person's name, bytes of body and answer: more is not logged, so not answered."""
_LENGTH, _HEAD, _CONTENT = struct.Struct("<I"), struct.Struct("<dHBBQI"), struct.Struct("<HI")
HEAD_BYTES = _HEAD.size


class Line(NamedTuple):
    """One request and its answer.

    Attributes:
        request_id: the answer's own id, ASCII, at most 255 letters.
        at: when it came, seconds since 1970 (UTC).
        jurisdiction: whose law its person is under, an ISO code; the origin of the line's label.
        categories: kinds of data that the request holds, for its label.
        model, version, role: which version answered, and as what: champion, canary or shadow.
        media_type, answer_type: of body and answer.
        subject: whom the request names, as a subject column would; "" for nobody.
        body, answer: bytes as they came and went.
        host: the region that answered, where it is another than the log's; "" for this one.
    """

    request_id: str
    at: float
    jurisdiction: str
    categories: tuple[str, ...] = ()
    model: str = ""
    version: int = 0
    role: str = "champion"
    media_type: str = "application/json"
    answer_type: str = "application/json"
    subject: str = ""
    body: bytes = b""
    answer: bytes = b""
    host: str = ""

    @property
    def label(self) -> Label:
        """What binds the line."""
        return Label(frozenset({self.jurisdiction}), frozenset(self.categories))

    @property
    def words(self) -> tuple[Any, ...]:
        """What many lines share: jurisdiction to `answer_type`, and the host."""
        return (*self[2:9], self.host)


def fault_of(line: Line) -> str:
    """Why a line cannot be logged; "" where it can."""
    name, subject = line.request_id, line.subject
    if len(name) > LARGEST_ID or not name.isascii():
        return f"its id is not ASCII of at most {LARGEST_ID} letters"
    if len(subject) > LARGEST_SUBJECT or not (subject.isascii() or _is_text(subject)):
        return f"the person's name is no text of at most {LARGEST_SUBJECT} letters"
    if len(line.body) + len(line.answer) > LARGEST_CONTENT:
        return f"body and answer have more than {LARGEST_CONTENT:,} bytes"
    return ""


def _is_text(word: str) -> bool:
    """Whether it can be written as UTF-8: JSON may bring halves of letters, which cannot."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


class StoredLine(NamedTuple):
    """A line as it lies in a batch: `head` is the bytes before the content, to which a sealed content is bound."""

    request_id: str
    at: float
    words: tuple[Any, ...]
    how: int
    key: int
    head: bytes
    content: bytes

    @property
    def without_content(self) -> Line:
        """The line without subject, body and answer."""
        *words, host = self.words
        return Line._make((self.request_id, self.at, *words, "", b"", b"", host))

    def opened(self, content: bytes) -> Line:
        """The whole line, of its content in the clear. Raises ValueError for a content of another form."""
        if self.how in WITHHELD:
            return self.without_content
        subject, body, answer = parts_of(content)
        return self.without_content._replace(subject=subject, body=body, answer=answer)


def content_of(line: Line) -> bytes:
    """What of a line is of a person."""
    name = line.subject.encode()
    return _CONTENT.pack(len(name), len(line.body)) + name + line.body + line.answer


def parts_of(content: bytes) -> tuple[str, bytes, bytes]:
    """Subject, body and answer: the inverse of `content_of`. Raises ValueError."""
    try:
        name, body = _CONTENT.unpack_from(content)
    except struct.error:
        raise ValueError("a content has no head") from None
    start = _CONTENT.size
    if len(content) < start + name + body:
        raise ValueError("a content is cut")
    return content[start : start + name].decode(), content[start + name :][:body], content[start + name + body :]


def head_of(line: Line, place: int, how: int, key: int, length: int) -> bytes:
    """What stands before a content of this length; `place` is of the line's words in the table."""
    name = line.request_id.encode()
    return _HEAD.pack(line.at, place, len(name), how, key, length) + name


def packed(table: Mapping[str, Any], parts: Sequence[bytes]) -> bytes:
    """A batch's bytes, of its table and its lines' heads and contents in turn."""
    text = json.dumps(table, separators=(",", ":")).encode()
    return b"".join((_LENGTH.pack(len(text)), text, *parts))


def unpacked(batch: bytes) -> tuple[dict[str, Any], Iterator[StoredLine]]:
    """A batch's table, and its lines one after the other. Raises ValueError for bytes that are no batch."""
    try:
        (length,) = _LENGTH.unpack_from(batch)
        table = json.loads(batch[_LENGTH.size : _LENGTH.size + length])
        words = [tuple(tuple(each) if isinstance(each, list) else each for each in row) for row in table["words"]]
    except (struct.error, TypeError, KeyError, AttributeError) as problem:
        raise ValueError(f"a batch has no table ({problem})") from None
    return table, _lines(batch, _LENGTH.size + length, words)


def _lines(batch: bytes, at: int, words: Sequence[tuple[Any, ...]]) -> Iterator[StoredLine]:
    end = len(batch)
    while at < end:
        try:
            moment, place, name, how, key, length = _HEAD.unpack_from(batch, at)
            shared = words[place]
        except (struct.error, IndexError) as problem:
            raise ValueError(f"a line has no head ({problem})") from None
        start = at + HEAD_BYTES + name
        if start + length > end:
            raise ValueError("a line is cut")
        head, at = batch[at:start], start + length
        yield StoredLine(head[HEAD_BYTES:].decode(), moment, shared, how, key, head, batch[start:at])


def count_lines(batch: bytes) -> tuple[int, set[int]]:
    """How many lines a batch holds, and the numbers of the people's keys that seal some of them.

    Raises ValueError for bytes that are no batch.
    """
    keys = set[int]()
    try:
        (length,) = _LENGTH.unpack_from(batch)
        at, end, count = _LENGTH.size + length, len(batch), 0
        while at < end:
            _, _, name, how, key, content = _HEAD.unpack_from(batch, at)
            at += HEAD_BYTES + name + content
            count += 1
            if how == BY_SUBJECT:
                keys.add(key)
    except struct.error as problem:
        raise ValueError(f"a line has no head ({problem})") from None
    if at != end:
        raise ValueError("its last line is cut")
    return count, keys
