"""What runs a party, as files: rendered from values, checked by the tests, applied by the party's own people."""
