"""The node that serves models: it asks its upstreams and sends their answers back.

Start with ``server.py`` (one request). ``models.py`` has the models of the configuration and of
plugins, ``apis.py`` decides whether a request passes as it is or is converted, ``upstream_call.py``
judges a whole answer, ``upstream.py`` asks over HTTP, ``keys.py`` takes an upstream's keys in turn,
``answer_sender.py`` sends the answer to the asking node and leaves keys out of errors.
"""
