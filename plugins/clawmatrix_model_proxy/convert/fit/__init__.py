"""Requests that keep to the rules of the API they go to; ``request.py`` is where to start.

The rules are data: ``neutral/rules.py`` says what they are, and ``rules.py`` in the folder of each
API what that API refuses.
"""
