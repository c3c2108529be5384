"""Erasing a person by e-mail address, from every place of the store (GDPR, article 17).

An erasure goes through the places one by one, slice by slice: a slice is looked at by a reader, and what
has to change in it is one unit of the writer, together with the row that says how far the erasure is. A
unit changes only what is still as it was looked at; if anything is not, the slice is looked at again. So it
may be cut short anywhere, and goes on.
"""
