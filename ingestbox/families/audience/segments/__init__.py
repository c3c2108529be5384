"""Segments: named selections of an upload's records, kept as a rule or as a list (contract: audience)."""
