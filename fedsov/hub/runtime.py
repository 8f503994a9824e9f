"""What a run needs of a runtime, as protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from flwr.app import Message

from fedsov.artifact import Party
from fedsov.label import Label

if TYPE_CHECKING:
    pass


class RegionLinks(Protocol):
    """What a grid needs of whatever reaches its regions."""

    answers: dict[str, tuple[Message, Label]]

    def party(self, node: int) -> Party: ...
    def ask(self, message: Message, label: Label) -> None: ...
    def answer(self, asked: Message, reply: Message, label: Label) -> None: ...
    def turn(self, seconds: float) -> None: ...
