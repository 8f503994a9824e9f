"""What people do about law, documents and reviews, for commands and notebooks."""
