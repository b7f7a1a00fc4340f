"""Arguments looked at by JSON Schemas of others, which never run on the event loop.

A schema may have a pattern on which a text of 25 letters takes minutes, and holds the interpreter
meanwhile. So ``checker`` has processes of their own look, started on first use and killed when
they take too long; ``child`` is what these run.
"""
