"""The law as data: the vocabulary of facts, rules, their reader, and the bundle of both."""
