"""What every other room uses: errors, the names of nodes, clocks, the log, supervised tasks.

Start with ``errors``, which draws the tree of all errors. ``paths`` says where files are, and
``redaction`` keeps secrets out of logs, errors and status.
"""
