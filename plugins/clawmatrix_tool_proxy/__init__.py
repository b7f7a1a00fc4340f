"""Tools over the mesh: a caller asks here, and the tool runs on whichever node exposes it.

``plugin`` has the hooks. ``serving`` is the node that has the tool, ``asking`` the node that calls
it, ``catalog`` the lists of tools that one node tells another, and ``wire`` what the two say to
each other. ``tool`` and ``functions`` are what a tool is made of, ``checking`` looks at arguments
by schemas of others. Imports go in one direction:

    plugin > commands | methods | peers > serving | catalog > asking > config | table | checking
    > wire | json_marks > api > functions > schemas | tool
"""
