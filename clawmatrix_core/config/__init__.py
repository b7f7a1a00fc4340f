"""The configuration: the file, its tables, and the messages about mistakes in them.

Start with ``config``: it reads the file and hands out tables, and has ``ConfigSection``, by which
a plugin declares a table. ``core`` has the core's own keys, ``schema`` the ``option`` that each key
is declared with, ``types`` the values that are written as text, and ``reader`` makes a class from a
table. ``messages`` has the words for mistakes, and ``changes`` says what a reload puts in force.
``template`` only fills values into the text of a table; ``cli/init.py`` writes the file.
"""
