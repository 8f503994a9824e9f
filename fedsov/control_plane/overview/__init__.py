"""What the page shows: values read from the control plane's database, and the tables that count ledger entries."""
