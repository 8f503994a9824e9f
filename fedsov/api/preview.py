"""What an ingestion would do with a source: the same process looks at it, and nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedsov.config.settings import Settings
    from fedsov.partition.preview import Preview


def preview_settings(settings: Settings) -> Preview:
    """The columns, regions and rows without a home of these settings' source. Raises InputError, ConfigurationError."""
    from fedsov.partition.preview import Preview
    from fedsov.runtimes.preview_source import preview_source

    return Preview.from_json(preview_source({**settings.plain, "workspace": str(settings.workspace)}))
