"""Requests and answers of one API as those of another: pure functions, one model in the middle.

Every API has a ``Codec`` (``codec.py``): it reads requests and answers of that API into the
neutral forms (``request.py``, ``answer.py``) and writes them out of these. Two codecs make a
bridge, so a further API is one more codec and nothing else.
"""
