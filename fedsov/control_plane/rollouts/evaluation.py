"""How a version's run measured it, in sentences for people: one a region, as the table of `fedsov train` has it.

evaluation_sentences(proposal.evaluation)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

SHOWN = 6
"""Regions, or figures of no region, that are shown."""
_GAIN = "_gain"


def evaluation_sentences(evaluation: Mapping[str, float]) -> tuple[str, ...]:
    """Each region's score on its test rows, that of a model of the region alone, and the gain with its standard error.

    >>> evaluation_sentences({"DE_auc": 0.8173, "DE_local_auc": 0.82, "DE_gain": -0.0027, "DE_gain_se": 0.0146})
    ('DE auc 0.817 (local 0.820), gain -0.003 ± 0.015',)
    >>> evaluation_sentences({"test_auc": 0.811})
    ('test auc 0.811',)
    >>> evaluation_sentences({})
    ('its run noted none',)
    """
    if not evaluation:
        return ("its run noted none",)
    regions = sorted(name.removesuffix(_GAIN) for name in evaluation if name.endswith(_GAIN))
    sentences = [_of_region(region, evaluation) for region in regions] or list(_plain(evaluation))
    more = len(sentences) - SHOWN
    return (*sentences[:SHOWN], *([f"{more} more (--json)"] if more > 0 else []))


def _of_region(region: str, evaluation: Mapping[str, float]) -> str:
    own = {
        name.removeprefix(f"{region}_"): value for name, value in evaluation.items() if name.startswith(f"{region}_")
    }
    scores = "".join(f" {name} {own[name]:.3f} (local {own[f'local_{name}']:.3f})," for name in _scores(own))
    error = f" ± {own['gain_se']:.3f}" if "gain_se" in own else ""
    return f"{region}{scores} gain {own['gain']:+.3f}{error}"


def _scores(own: Mapping[str, float]) -> Iterator[str]:
    return (name for name in sorted(own) if f"local_{name}" in own)


def _plain(evaluation: Mapping[str, float]) -> Iterator[str]:
    return (f"{name.replace('_', ' ')} {value:.3g}" for name, value in sorted(evaluation.items()))
