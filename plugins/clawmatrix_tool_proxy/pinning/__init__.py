"""Pins: which definitions of tools of others are known here, and who let in those that changed.

``pins`` judges lists of definitions; ``table`` is what it keeps, ``definitions`` what a definition
is compared by, and ``waiting`` has those that a person has not accepted. ``methods`` and
``commands`` are how people see them.
"""
