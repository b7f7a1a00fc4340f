"""The codec of Anthropic's Messages.

``request_reader.py`` and ``request_writer.py`` are for requests, ``answer.py`` for whole answers,
``stream_reader.py`` and ``stream_writer.py`` for streams; ``codec.py`` puts them together.
``parts.py``, ``tools.py`` and ``settings.py`` have what both directions share.
"""
