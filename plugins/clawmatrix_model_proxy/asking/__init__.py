"""The node that a program asks: which nodes are tried, in which order, and what the client gets.

Start with ``endpoints.py`` (the routes) and ``response.py`` (one request over all its attempts).
``failover.py`` is the table of what is done about each fault, ``catalog.py`` says who serves what.
"""
