"""What is published of a build: it is looked into, listed, checked for licences, packed and summed.

`make binary` runs it in the environment that the program was built in.
"""
