"""Who may do what, and what is written down: the types of both questions to plugins.

``verdict`` has the answer whether somebody may do something, and what several answers come to.
``record`` has what is written down before and after work, and the receipt for it. The node asks
the plugins, in ``kernel.gate``.
"""
