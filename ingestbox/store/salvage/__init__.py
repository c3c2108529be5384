"""Salvage: what can be read of a damaged store goes into a new one.

The old folder is only read. Its database and write-ahead log are put together into a private copy (`image`),
which is read page by page, by the documented format of SQLite's files and not by SQLite (`pages`, `rows`):
what is damaged costs what lies on it, and nothing else. Rows are verified (`checks`) and put into a store of
the same schema without its triggers (`building`); what follows from rows is made anew (`mending`).

Nothing that was deleted comes back: free pages and free space are not looked into.
"""
