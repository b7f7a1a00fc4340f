"""The configuration: the file, its tables, and what is said of mistakes in them.

Start with ``config``: it reads the file and hands out tables. ``core`` has the core's own keys,
``schema`` what plugins declare theirs with, ``types`` the values that are written as text, and
``reader`` makes a class from a table.
"""
