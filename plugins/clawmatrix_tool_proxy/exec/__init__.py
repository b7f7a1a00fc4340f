"""The tools ``exec`` and ``shell``: commands, each held in and watched by a guard of its own.

Start with ``tools``. ``arguments`` makes what was asked for what will run, and ``jobs`` a job of
it, with what the configuration allows. ``commands`` runs it: it takes a guard of ``guards``, hands
it the job and carries input and output. ``guard_process`` is one guard as the node sees it;
``guard.py`` is the program that runs there, and ``guarding`` what it is made of. ``parts_here``
asks a guard what the kernel lacks, and ``findings`` says it to the doctor.

``lasting`` keeps a process running for another plugin, under a guard of the same kind.
"""
