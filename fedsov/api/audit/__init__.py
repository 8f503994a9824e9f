"""The record across all parties: who witnessed whose ledger, what is due, and one bundle for an auditor."""
