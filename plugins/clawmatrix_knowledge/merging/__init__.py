"""What becomes of edits that were made apart: the same on every node, whatever the order.

``resolve`` decides about all live versions of a path, with ``folding`` for several ancestors and
several edits, and ``lines`` for two texts. ``classes`` says how a file merges, ``names`` what a
conflict copy is called. ``ignores`` says which files take part at all.

    resolve > folding > lines > matching        names | classes | ignores
"""
