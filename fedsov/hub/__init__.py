"""What runs at the hub: it asks regions, aggregates what they answer, and sees no record."""
