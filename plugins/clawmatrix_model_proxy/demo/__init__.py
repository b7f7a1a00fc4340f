"""`clawmatrix demo` (``command.py``), and a small model server for demonstrations and tests.

``embedded.py`` is that server; ``embedded_answer.py`` computes what it answers.
"""
