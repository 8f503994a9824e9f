"""The bench that is a process of its own: model code runs there, away from keys, ledger, budget and sockets."""
