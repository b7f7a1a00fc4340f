"""The checks of the mesh for ``clawmatrix doctor``.

``live`` has those of a running node, from what its links have seen; ``resting`` has those of a
node that does not run, which asks its peers itself (``looking``). Start at either; ``advice``
says what to do about a link that does not come about.
"""
