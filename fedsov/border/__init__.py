"""The border: law as facts and rules, the tenant's documents, a decision that explains itself, and one gate.

The law is data, read once into one value. A register answers what its documents can claim. `policy` decides and opens
nothing. `gate` decides, writes the decision into the ledger, and only then lets anything through. The ledger knows
nothing of law: it is a signed Merkle tree of entries (docs/decisions/0007-merkle-ledger.md), stored in a file or in
PostgreSQL, and checked by a verifier that imports nothing of fedsov.
"""
