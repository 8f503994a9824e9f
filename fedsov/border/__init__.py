"""The border: law as facts and rules, a decision that explains itself, a ledger, and one door.

bundle    reads the law in law/      evidence  reads the tenant's documents
policy    decides, and opens nothing  ledger    remembers    gate      does all three in order
"""
