"""Server-sent events of the model APIs: where events end, which pass, and how a stream ended.

Start with ``passthrough.py`` (a stream that is not converted) and ``formats.py`` (what differs
between APIs). Streams that are converted are in ``convert/converted_stream.py``.
"""
