"""The tamper-evident log: an append-only Merkle tree of entries under a signed head. It knows nothing of law."""
