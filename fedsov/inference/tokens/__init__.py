"""Who says whose law protects a person: issuers, their public keys, and the check of a token."""
