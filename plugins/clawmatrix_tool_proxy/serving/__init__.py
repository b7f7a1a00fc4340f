"""The node that has the tools: who may call what, and how a call runs.

``answering`` takes a call from its request to its outcome, ``running`` is the part in which the
tool runs. ``denials`` bounds what is written down of calls that are denied, ``slots`` how many run.
"""
