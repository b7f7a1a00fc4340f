"""The HTTP/1.1 client for upstreams: connections that are kept open and used again.

Start with ``client.py``; ``reader.py`` parses responses and does no I/O.
"""
