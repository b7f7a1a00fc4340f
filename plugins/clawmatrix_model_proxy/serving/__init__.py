"""The node that serves models: it asks its upstreams and sends their answers back.

Start with ``server.py`` (one request). ``apis.py`` decides whether a request passes as it is or is
converted, ``upstream.py`` asks over HTTP, ``answer_sender.py`` sends the answer to the asking node.
"""
