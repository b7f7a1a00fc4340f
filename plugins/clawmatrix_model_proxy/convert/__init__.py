"""Requests and answers of one API as those of another: pure functions, one neutral form between.

Each API has a folder with a ``Codec``: it reads requests and answers of that API into the forms in
``neutral`` and writes them out of these. ``bridge.py`` joins two codecs for one request, so a
further API is one more codec and nothing else. Start with ``bridge.py`` and ``neutral/codec.py``.
"""
