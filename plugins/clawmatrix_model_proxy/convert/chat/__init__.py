"""The codec of OpenAI's chat completions.

``request_reader.py`` and ``request_writer.py`` are for requests, ``answer.py`` for whole answers,
``stream_reader.py`` and ``stream_writer.py`` for streams; ``codec.py`` puts them together.
``message_reader.py`` and ``message_writer.py`` have the conversation.
"""
