"""Federated averaging among four nodes, which writes down when each round ended."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Trains without evaluation."""
    ends, settings = [time.time()], context.run_config

    def ended(number: int, arrays: ArrayRecord) -> MetricRecord:
        ends.append(time.time())
        return MetricRecord({"round": number})

    strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=4, min_available_nodes=4)
    arrays = ArrayRecord({"w": Array(np.zeros(int(settings["numbers"]), np.float32))})
    strategy.start(grid=grid, initial_arrays=arrays, num_rounds=int(settings["rounds"]), evaluate_fn=ended)
    Path(str(settings["out"])).write_text(json.dumps(ends))
