"""How rows leave a region of a workspace: erasure, retention, quarantine. What commands and notebooks call."""
