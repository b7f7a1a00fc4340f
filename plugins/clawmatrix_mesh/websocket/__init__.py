"""The ``ws`` and ``wss`` transport, on the websockets library.

Start at ``transport``. The connections are in ``on_asyncio`` and ``on_trio``, one for each
event loop, and what these have in common is in ``connection``.
"""
