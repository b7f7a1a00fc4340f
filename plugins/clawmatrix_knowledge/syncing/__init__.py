"""What makes a workspace the same as its index, and the index the same as those of its peers.

``local`` is what this node knows of the files on its disk, ``recording`` makes versions of what
changed there, ``planning`` says what to do for the disk to have the live versions, ``halts`` says
when a person has to be asked first.
"""
