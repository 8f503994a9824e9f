"""What `promote`, `up --serve` and the other commands about inference do, for notebooks as well."""
