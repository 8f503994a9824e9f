"""The border's settings: the register of documents, additional rules, and the open border of laboratories."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsov.border.evidence.approvals import Approval
from fedsov.border.evidence.register import Register
from fedsov.border.evidence.register_file import load_register
from fedsov.border.law.bundle import Bundle
from fedsov.border.law.bundle_loader import unsafe_open
from fedsov.border.law.in_force import law_in_force
from fedsov.checks import flag, section
from fedsov.storage.workspace import named_path_or_none


@dataclass(frozen=True, slots=True)
class BorderSettings:
    """The register of documents, additional rules, and the ugly switch for laboratories."""

    evidence: Path | None
    rules: Path | None
    unsafe_open: bool

    @staticmethod
    def from_settings(plain: Any) -> BorderSettings:
        """What the group `border` says. Raises ConfigurationError, naming the key."""
        given = section("border", plain, BorderSettings)
        checked = {
            "evidence": named_path_or_none("border.evidence", given["evidence"]),
            "rules": named_path_or_none("border.rules", given["rules"]),
            "unsafe_open": flag("border.unsafe_open", given["unsafe_open"]),
        }
        return BorderSettings(**{**given, **checked})

    def bundle(self, law: Path | None = None) -> Bundle:
        """The rules to decide by, read now; `law` is the folder of an installed bundle and of confirmations."""
        return unsafe_open() if self.unsafe_open else law_in_force(law, self.rules)

    def register(self, approvals: tuple[Approval, ...] = ()) -> Register:
        """The documents to rely on, read now, with the approvals on record; none where no register is named."""
        return load_register(self.evidence, approvals)
