"""Answers of a model to encoded rows, as a task: the network may be of an installed package."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsov.model.network import Parameters
from fedsov.model.packaging.saved import SavedModel
from fedsov.region.bench.tasks import Written, array_of


@dataclass(frozen=True, slots=True, eq=False)
class AnswerRows:
    """Asks a model about (N, D) float32 inputs."""

    saved: SavedModel
    parameters: Parameters
    inputs: np.ndarray

    def run(self) -> Written:
        """Raises TrainingFailed where a network of one's own fails."""
        import torch

        from fedsov.model.network import answering as failing_as_training
        from fedsov.model.packaging.loaded import answering

        with torch.inference_mode(), failing_as_training(self.saved.network):
            answers = answering(self.saved, self.parameters)(torch.from_numpy(self.inputs)).numpy()
        return Written({}, {"answers": np.asarray(answers)})

    def read(self, answer: Written) -> np.ndarray:
        """(N, outputs) float32. Raises BenchFailed for anything else."""
        return array_of(answer, "answers", shape=(len(self.inputs), len(self.saved.signature.words)))
