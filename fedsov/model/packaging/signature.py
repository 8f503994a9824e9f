"""What a model is asked, and what its answers are called: columns in, one word for each output.

>>> from fedsov.model.features import Features
>>> signature = Signature(Features(numeric=(("years", 10.0, 5.0),)), TargetRule("salary", above_region_median=True))
>>> signature.words, signature.meaning
(('probability',), 'the probability that salary is above the median of its region')
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedsov.model.features import Features
from fedsov.model.packaging.encoder import Encoder, InputColumn
from fedsov.model.targets import TargetRule

DESCRIPTION, WEIGHTS, GRAPH = "model.json", "model.safetensors", "model.onnx"
"""The files of a model: what it is, its parameters, and, where it is served, its graph."""
INPUTS, OUTPUTS = "inputs", "outputs"
"""The names of a graph's input and output."""
PROBABILITY = "probability"
"""What the one output of a model of 0 and 1 is called."""
EXAMPLE_ROWS = 5


@dataclass(frozen=True, slots=True)
class Signature:
    """The columns that a model reads, by its features, and the meaning of its outputs, by its target."""

    features: Features
    target: TargetRule

    @staticmethod
    def of(description: Mapping[str, Any]) -> Signature:
        """The signature of a model that is described as `fedsov.model.packaging.saved.SavedModel.to_json` has it.

        Its network need not be known here. Raises ConfigurationError, LookupError, TypeError, ValueError.
        """
        return Signature(Features.from_json(description["features"]), TargetRule.from_json(description["target"]))

    @property
    def columns(self) -> tuple[InputColumn, ...]:
        """The columns of a question, those of numbers first."""
        return Encoder(self.features).columns

    @property
    def words(self) -> tuple[str, ...]:
        """The name of each output: a class, a label, the target's own name for numbers, or `PROBABILITY`."""
        if self.target.classes:
            return self.target.classes
        return (self.target.column,) if self.target.scale else (PROBABILITY,)

    @property
    def meaning(self) -> str:
        """What the outputs are, in words."""
        column = self.target.column
        if self.target.task == "multilabel":
            return f"for each label the probability that {column} names it"
        if self.target.classes:
            return f"for each class the probability that {column} is it; together 1"
        if self.target.scale:
            return f"{column}, in its own unit"
        if self.target.above_region_median:
            return f"the probability that {column} is above the median of its region"
        return f"the probability that {column} is {self.target.positive or 1}"

    def example(self, rows: int = EXAMPLE_ROWS) -> dict[str, list[Any]]:
        """Rows that nobody is, by column: numbers about the mean, each level in turn; they follow from the features."""
        steps = np.linspace(-0.5, 0.5, rows)
        numbers = {
            name: [float(f"{mean + spread * step:.4g}") for step in steps]
            for name, mean, spread in self.features.numeric
        }
        words = {name: [levels[row % len(levels)] for row in range(rows)] for name, levels in self.features.levels}
        return {**numbers, **words}
