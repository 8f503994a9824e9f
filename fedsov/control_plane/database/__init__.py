"""Where the control plane keeps what it knows: one database, SQLite at the hub or PostgreSQL for several services."""
