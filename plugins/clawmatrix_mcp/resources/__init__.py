"""Resources and prompts of mounted servers, between nodes.

``uris`` says how they are named, and ``wire`` what nodes say to each other. At the node of a
server ``lists`` tells each node what it may use, ``serving`` answers a reading or a prompt, and
``permitted`` runs it. At the asking node ``keeping`` follows the lists of others, ``asking`` asks,
and ``mesh`` is what MCP clients are given. ``service`` has all of it; ``part`` makes that when it
is first wanted.
"""
