"""The minimal core: the node, its plugins, and the dispatch of frames and events to them.

Start with ``node``, what hosts and plugins hold, and ``stack``, the way of a frame. ``registry``
and ``discovery`` load plugins, ``dispatcher`` calls their hooks, ``life`` starts and stops them,
``contributions`` has what they register. ``roster`` and ``routing`` see to what follows when
records and links change.
"""
