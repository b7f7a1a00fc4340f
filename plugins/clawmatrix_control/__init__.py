"""The local control socket of a node, and the commands that use it: status, peers, ping.

Start with ``plugin``, which has the methods of the socket; ``server`` answers requests with
them. ``commands`` and ``render`` run in the process of the command.
"""
