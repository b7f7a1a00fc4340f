"""Lists of tools: what one node tells another one of what it may call.

``serving`` writes a list for each peer and tells of changes, ``keeping`` keeps the lists of nodes
that were asked, and ``entries`` is what a list is made of. A list decides nothing: a caller asks.
"""
