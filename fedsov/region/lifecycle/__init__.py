"""How rows leave a region: expiry, legal holds, erasure, and what is known of the models that learned of them."""
