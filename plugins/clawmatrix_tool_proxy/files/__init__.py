"""The tools ``read``, ``write``, ``edit``, ``list`` and ``search``, in named roots.

Start with ``tools``. ``paths`` reads ``ROOT/relative``, ``roots`` holds the folders of the
configuration open, and ``folder`` goes down from there, one component at a time: everything that
keeps a tool within its root is in that file, and ``rules`` says what is in no tool's reach.
``reading``, ``writing``, ``editing``, ``listing`` and ``searching`` are the tools themselves, as
plain functions that block; ``threads`` runs them beside the event loop.
"""
