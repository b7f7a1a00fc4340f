"""All versions of all files of a workspace, in an Automerge document.

``graph`` is what the node's process knows of them.
"""
