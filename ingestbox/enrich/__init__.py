"""Analyses of a record's text that need nothing but the text."""
