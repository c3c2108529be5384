"""Texts as vectors: near each other where the texts are about the same."""
