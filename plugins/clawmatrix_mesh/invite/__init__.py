"""Invitations: made and kept, presented by a machine that joins, and answered.

Start at ``token``, the text that is handed on. ``invitations`` keeps those that this node
made, ``inviting`` answers a machine that comes with one, ``joining`` is the other end, and
``methods`` is what ``clawmatrix invite`` calls.
"""
