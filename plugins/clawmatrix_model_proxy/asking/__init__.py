"""The node that a program asks: which nodes are tried, in which order, and what the client gets.

Start with ``endpoints.py`` (the routes), ``asking.py`` (what a request asks for) and
``response.py`` (one request over all its attempts). ``in_process.py`` is for programs that need no
HTTP.
``failover.py`` is the table of what is done about each fault, ``catalog.py`` says who serves what.
"""
