"""Grants: which node may use what here, as the table ``[grants]`` says.

Start with ``policy``, which decides. ``config`` reads the table; ``globs`` and ``conditions`` are
what its texts and its ``when`` mean, with ``program_names`` for names of programs. ``rules`` puts
each entry into the form that is compared, ``table`` finds those that may concern a question, and
``keys`` says whether a grant counts for the key that was shown.
"""
