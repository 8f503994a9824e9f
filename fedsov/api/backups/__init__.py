"""A party's files in one encrypted archive, and back: `backup`, `restore`, and what others must accept afterwards."""
