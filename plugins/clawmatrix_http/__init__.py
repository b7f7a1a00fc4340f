"""The local HTTP server, to which other plugins add routes.

Start with ``app``, which every request enters: ``guard`` decides who may ask, ``table`` finds
the route. ``server`` runs the application on a socket.
"""
