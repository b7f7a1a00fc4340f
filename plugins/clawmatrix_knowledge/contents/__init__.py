"""The bytes of files: how they are named, kept for later, and fetched from other nodes.

``history`` keeps those that were replaced, deleted or recorded, ``serving`` and
``fetching`` carry them between nodes, as ``wire`` says.
"""
