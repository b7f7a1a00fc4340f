"""The audit of a node: a chain of lines about each piece of work, and proofs that none is missing.

Start with ``plugin``. ``ledger`` writes the files in ``folder``, with ``line`` and ``describing``
for what is in them, and ``book`` has many callers share one flush of the disk. ``head`` is what a
node signs and others keep (``held_heads``); ``verifying`` reads all of it again.
"""
