"""Where a ledger's rows are stored: SQLite or PostgreSQL."""
