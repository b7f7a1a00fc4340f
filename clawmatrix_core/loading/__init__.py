"""Finding plugins and loading them: entry points, hook specifications, what hooks return.

Start with ``loader``, which decides for each plugin whether it is loaded. ``discovery`` finds
entry points, ``specs`` has every hook with its owner, ``manager`` is pluggy's manager with the
rules of ClawMatrix, and ``dispatcher`` calls each hook inside a fault boundary. ``contributions``
has what registration hooks return, and ``plugin_info`` is what is known of a plugin.
"""
