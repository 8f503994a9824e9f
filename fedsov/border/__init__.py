"""The border: law as facts and rules, a decision that explains itself, a ledger, and one door.

bundle    reads the law in law/      evidence  reads the tenant's documents
policy    decides, and opens nothing  ledger    remembers    gate      does all three in order

The ledger is a signed Merkle tree (docs/decisions/0007-merkle-ledger.md): merkle is its arithmetic, canonical and rows
what is hashed, signing its head and key, sqlite_book and postgresql its homes behind the seam book, proofs what others
are handed and accept, anchor an authority's time stamps. verify_ledger checks an export and imports nothing of fedsov.
"""
