"""Answers are the same from this process and from a process that holds no key."""

from __future__ import annotations

import numpy as np
import pytest

from fedsov.errors import BenchFailed
from fedsov.model.packaging.loaded import LoadedModel
from fedsov.model.packaging.onnx_export import tried_inputs
from fedsov.region.bench.answers import AnswerRows
from fedsov.region.bench.tasks import THIS_PROCESS, Written
from fedsov.runtimes.bench.process_bench import BenchServer, ProcessBench
from tests.model.world import parameters_of, saved_model


def test_a_bench_of_its_own_answers_the_same_bits() -> None:
    saved = saved_model("mlp", hidden=(5,), task="multiclass")
    parameters, inputs = parameters_of(saved), tried_inputs(saved, 40, 0)
    task = AnswerRows(saved, parameters, inputs)
    here = THIS_PROCESS.do(task)
    np.testing.assert_array_equal(here, LoadedModel(saved, parameters).answer(inputs))
    with BenchServer() as server:
        bench = ProcessBench(server)
        try:
            np.testing.assert_array_equal(bench.do(task), here)
        finally:
            bench.close()


@pytest.mark.parametrize("answers", [{}, {"answers": np.zeros((3, 1), np.float32)}, {"answers": np.zeros((2, 1))}])
def test_what_is_no_answer_is_refused(answers: dict[str, np.ndarray]) -> None:
    saved = saved_model()
    task = AnswerRows(saved, parameters_of(saved), tried_inputs(saved, 2, 0))
    with pytest.raises(BenchFailed, match="model code answered 'answers' as"):
        task.read(Written({}, answers))
