"""Who may see and do what at the hub: accounts, sessions, roles, and the note of each act in the hub's ledger."""
