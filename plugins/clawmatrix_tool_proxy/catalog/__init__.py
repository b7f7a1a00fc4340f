"""Lists of tools: each node tells another node which tools that one may call.

``serving`` writes a list for each peer and tells of changes, ``keeping`` keeps the lists of nodes
that were asked, and ``entries`` is what a list is made of. A list decides nothing: a caller asks.
"""
