"""The form between all APIs: ``request.py`` and ``answer.py``, and what a codec has to do.

``codec.py`` is the interface of an API; ``settings.py`` the table of settings, with their place in
each API and what becomes of them in an API without one.
"""
