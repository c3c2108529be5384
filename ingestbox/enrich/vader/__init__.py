"""The word and emoji tables of VADER 3.3.2 (MIT licence, see README.md and LICENSE.txt in this folder)."""
