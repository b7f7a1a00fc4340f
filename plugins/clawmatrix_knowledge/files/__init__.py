"""The files of a workspace, and how they are read and written so that none is lost.

``port`` says what a file system has to do; ``real`` is the one of this machine, and ``memory`` one
that forgets what was not put on the disk. ``tree`` reads and replaces files by their paths in the
index, ``scanning`` finds what changed, ``watching`` says when to look. Nothing here syncs.
"""
