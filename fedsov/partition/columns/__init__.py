"""A source's columns: what each is for, how its values are read, and what the spellings of places and rules mean."""
