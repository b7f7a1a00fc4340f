"""Google's Gemini as an upstream: the API ``google-generative-ai``, ``generateContent``.

``plugin.py`` has the hook. ``codec.py`` puts requests into the API and reads answers out of it:
requests are written by ``request_writer.py`` (the conversation) and ``settings.py`` (the rest),
answers are read by ``answer_reader.py``, and errors by ``errors.py``. Imports go in one direction:

    plugin > codec > answer_reader | request_writer > errors | settings > names
"""
