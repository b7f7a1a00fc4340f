"""The minimal core: the node, its plugins, and the dispatch of frames and events to them.

Start with ``node``, what hosts and plugins hold, and ``stack``, the way of a frame. ``registry``
has the plugins of a node, counts their faults and takes plugins out. ``node_hooks`` calls hooks
for the node, ``gate`` asks who may do what, and ``life`` starts and stops plugins. ``registered``
has what the plugins of this node added. ``reloading`` puts a changed configuration in force.
``roster`` and ``routing`` see to what follows when records and links change.
"""
