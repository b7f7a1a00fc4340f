"""Finding plugins and loading them: entry points, hook specifications, and what fits them.

Start with ``loader``, which decides for each plugin whether it is loaded. ``discovery`` finds
entry points, ``specs`` has every hook with its owner, ``manager`` is pluggy's manager with the
rules of ClawMatrix, and ``plugin_info`` is what is known of a plugin.
"""
