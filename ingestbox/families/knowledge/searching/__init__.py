"""How passages of articles are found again: by their words and by their vectors, and both in one."""
