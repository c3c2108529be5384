"""Bytes to rows: what a file's encoding, dialect and header are, and its rows one after the other."""
