"""Knowledge: workspaces of files that stay the same on every node that shares them.

``versions`` says what a version of a file is. ``index`` keeps all versions in an Automerge
document, ``contents`` the bytes, ``merging`` decides what becomes of edits made apart, ``files``
reads and writes the workspace, and ``syncing`` puts these together. Imports go in one direction:

    plugin > commands > syncing > index | contents > files > merging > ids > versions | paths
"""
