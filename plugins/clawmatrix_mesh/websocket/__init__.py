"""The ``ws`` and ``wss`` transport, on the websockets library.

Start at ``transport``: it dials, listens, and refuses requests with an Origin header, which only
web pages send. The connections are in ``on_asyncio`` and ``on_trio``, one for each event loop, and
what these have in common is in ``connection``. Under asyncio, ``asyncio_client`` dials over a
socket and ``asyncio_proxied`` through a proxy; ``asyncio_connection`` has what both and the
listener share. ``tls`` makes the TLS contexts from the files of the configuration, and
``certificate`` serves a certificate that was renewed in its place.
"""
