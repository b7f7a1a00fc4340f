"""The HTTP/1.1 client for upstreams: connections that are kept open and used again.

Start with ``client.py``. ``dialler.py`` opens connections, ``connection.py`` sends a request and
takes an answer that comes before all of it was sent, ``reader.py`` parses answers and
``inflater.py`` opens compressed bodies within a bound. The last two do no I/O.
"""
