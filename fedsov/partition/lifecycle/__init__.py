"""What becomes of stored rows: how long they are used, how they leave, who waits, and under which keys."""
