"""Models over the mesh: a program asks here, and an upstream of whichever node serves it answers.

``plugin.py`` has the hooks. ``asking`` is the node that a program asks, ``serving`` the node that
has the upstream, and ``wire.py`` what the two say to each other. Imports go in one direction:

    plugin > checks | commands | demo > asking | serving
    > config | convert | http | request_body > errors > faults | hold | streams | wire
    > api > neutral
"""
