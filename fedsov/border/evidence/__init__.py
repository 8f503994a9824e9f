"""The tenant's evidence: claims, the register of documents, approvals."""
