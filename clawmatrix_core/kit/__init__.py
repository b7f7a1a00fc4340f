"""What people who write plugins use: a plugin is checked, and a new one is begun.

Start with ``checking``, which does all that ``clawmatrix plugins check`` says. ``target`` finds
what is to be checked, ``light`` imports modules that must not load the plugin, ``names`` compares
names with those of other plugins. ``beginning`` writes a new plugin from the files in the folders
``template``, for a feature, and ``template_transport``.
"""
