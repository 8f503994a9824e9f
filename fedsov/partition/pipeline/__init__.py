"""How an ingestion reads, sorts and writes at once, in memory that is bounded."""
