"""Frames, the queues they wait in, and the links that carry them.

Start with ``codec``, the bytes of a frame, and ``link``, the pump of a connection. ``lanes`` and
``fair`` say which message is sent next, ``rate`` how much is read, ``ways`` which link a frame
goes out by. ``transport`` is what a transport has to implement, ``sockets`` what most of them can
use for it.
"""
