"""Routes over several links, frames passed on for other nodes, and how each node is reached.

Start at ``plugin``. ``routing`` computes the routes, ``transit`` passes frames on within the
limits of ``quotas``, and ``paths`` says from evidence how a node is reached.
"""
