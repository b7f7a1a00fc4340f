"""The minimal core: the node, its plugins, and the dispatch of frames and events to them.

Start with ``node``, what hosts and plugins hold, and ``stack``, the way of a frame. ``discovery``
finds the entry points of plugins; ``registry`` loads the plugins, counts their faults and takes
plugins out. ``dispatcher`` calls each hook inside a fault boundary, and ``life`` starts and stops
plugins. ``contributions`` has the types of what plugins register, ``registered`` what the plugins
of this node added. ``reloading`` puts a changed configuration in force. ``roster`` and ``routing``
see to what follows when records and links change.
"""
