"""Who belongs to the mesh: keys, signed records, trust in keys, and revoked keys.

Start with ``identity``, a node's own keys, and ``record``, the statement that a node signs.
``directory`` holds the records of all members, ``trust`` the key of each name, and
``revocations`` the keys that were put out and whose word counts about them. ``succession`` makes
the new keys of ``clawmatrix key rotate``, and leads others from an old key to a new one.
"""
