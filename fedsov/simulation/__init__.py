"""One federated training over virtual clients on this machine: for notebooks, comparisons and benchmarks."""
