"""The records of all members, how they spread, and keys that are trusted or revoked.

Start at ``membership``: it takes records from neighbours (``intake``), passes them on
(``spreading``) and compares what both ends know (``digests``). ``own_record`` writes this
node's record, ``revoking`` spreads revocations; the control methods are in ``*_methods``.
"""
