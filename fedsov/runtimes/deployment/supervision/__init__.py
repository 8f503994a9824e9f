"""The processes of a party: started, watched, told of, and ended."""
