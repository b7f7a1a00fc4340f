"""What runs in the guard of a command, and in the command's process before the command begins.

Standard library only: ``guard.py`` puts this folder on the path of a bare Python, and nothing of
the node is imported there. The node itself imports ``framing`` and ``parts``.

``main`` is the guard: it reads a ``job``, starts the command and watches it. ``tree`` finds and
kills what the command started. ``child`` is what happens between fork and exec: ``mounts`` (with
``own`` and ``syscalls``), ``limits`` and ``cgroup``, ``privileges``, ``landlock``, and at last
``seccomp``, which ``filter_program`` writes.
"""
