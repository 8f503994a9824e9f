"""Federated averaging by rows as anybody would write it in PyTorch: what `benchmark_speed` is measured against.

One process, a module and torch's own optimiser for each client and round, one client after the other; with noise,
Opacus' hooks and optimiser on Poisson samples. It uses as many threads as the case says, which is what is quicker for
it. Called with a case in JSON, it prints the seconds of each round.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from speed_clients import clients_of
from torch import nn


def network(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers of these widths with ReLU between them."""
    layers: list[nn.Module] = []
    for into, out in pairwise(widths):
        layers += [nn.Linear(into, out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def plain_client(module: nn.Module, X: torch.Tensor, y: torch.Tensor, batch: int) -> None:
    """One epoch of SGD with momentum."""
    optimiser = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    for rows in torch.randperm(len(y)).split(batch):
        optimiser.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(module(X[rows]).squeeze(1), y[rows]).backward()
        optimiser.step()


def private_client(module: nn.Module, X: torch.Tensor, y: torch.Tensor, batch: int) -> None:
    """As many steps of Opacus' DP-SGD on Poisson samples."""
    from opacus import GradSampleModule
    from opacus.optimizers import DPOptimizer

    hooked = GradSampleModule(module)
    inner = torch.optim.SGD(hooked.parameters(), lr=0.05, momentum=0.9)
    optimiser = DPOptimizer(inner, noise_multiplier=1.0, max_grad_norm=1.0, expected_batch_size=batch)
    for _ in range(-(-len(y) // batch)):
        rows = torch.nonzero(torch.rand(len(y)) < batch / len(y)).squeeze(1)
        optimiser.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(hooked(X[rows]).squeeze(1), y[rows]).backward()
        optimiser.step()


def main() -> None:
    case = json.loads(sys.argv[1])
    torch.set_num_threads(case["threads"])
    clients = [(torch.from_numpy(X), torch.from_numpy(y.astype(np.float32))) for X, y in clients_of(case)]
    rows = sum(len(y) for _, y in clients)
    step = private_client if case["noise"] else plain_client
    state, seconds = network(case["widths"]).state_dict(), []
    for _ in range(case["rounds"]):
        started = time.perf_counter()
        total: dict[str, torch.Tensor] = {}
        for X, y in clients:
            module = network(case["widths"])
            module.load_state_dict(state)
            step(module, X, y, case["batch"])
            with torch.no_grad():
                for name, value in module.state_dict().items():
                    share = value * (len(y) / rows)
                    total[name] = total[name] + share if name in total else share
        state = total
        seconds.append(time.perf_counter() - started)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
