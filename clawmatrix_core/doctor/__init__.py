"""The checks behind ``clawmatrix doctor``.

Start with ``own_checks``: ``all_checks`` returns those of the core and of all plugins.
``running`` runs them. A node imports this room only when somebody asks for a diagnosis.
"""
