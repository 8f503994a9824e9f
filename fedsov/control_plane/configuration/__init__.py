"""Settings that a hub proposes to its regions: what stands proposed, and what each region says is in force.

`standing` keeps proposals and answers in the database, publishes the one and takes the other. A region decides for
itself (`fedsov.region.proposals`); the hub never writes its settings.
"""
