"""The commands of the mesh, a file each.

All but ``join`` call control methods of the running node. Start at ``trust``, the plainest.
"""
