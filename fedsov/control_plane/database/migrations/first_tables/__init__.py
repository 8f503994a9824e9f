"""The tables of change 0001, by subject. They stay as they are: a later change of a table is a file in `versions`."""
