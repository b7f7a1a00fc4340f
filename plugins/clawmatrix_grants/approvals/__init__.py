"""Approvals: a person of this node allows one call, exactly as it was asked for.

Start with ``table``, which holds what waits and what was decided, and knows neither disk nor
clock. ``call`` says what is exactly one call. ``keeper`` has the table on disk, ``settling`` lets
calls wait, and ``part`` is what the plugin puts into a node. ``words`` shows a call to people.
"""
