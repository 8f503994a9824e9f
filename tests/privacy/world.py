"""What a run asks of privacy, in the tests."""

from __future__ import annotations

from fedsov.privacy.settings import RecordPrivacy

ASKED = RecordPrivacy(
    epsilon=3.0,
    delta=None,
    clip=1.0,
    lifetime_epsilon=4.0,
    batch=100,
    statistics_noise=10.0,
    median_epsilon=0.1,
    bounds={"age": (0.0, 100.0)},
)
