"""The codec of OpenAI's Responses.

``request_reader.py`` and ``request_writer.py`` are for requests, ``answer.py`` for whole answers,
``stream_reader.py`` and ``stream_writer.py`` for streams; ``codec.py`` puts them together.
``input_items.py`` and ``output_items.py`` have the items that both are made of.
"""
