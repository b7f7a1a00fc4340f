"""The files of a workspace, and how they are read and written so that none is lost.

``port`` says what a file system has to do; ``real`` is the one of this machine, and ``memory`` one
that forgets what was not put on the disk. ``tree`` reads and replaces files by their paths in the
index, ``scanning`` finds what changed, ``watching`` says when to look, ``keeping`` keeps small
files of state. Nothing here syncs.

The rules:

- Only regular files are read or written, and none through a symbolic link. A link, a pipe, a
  socket or a device is a problem; a file that was known at its place is not taken for deleted.
- A name is in the form NFC in the index, and stays in the form that it has on the disk. Where both
  forms of one name are in a folder neither is read, and neither is taken for deleted.
- Names that differ in case only are synced and noted. Where the disk takes them for one, the second
  is a problem, and the first stays.
- Names that are not UTF-8, have control characters, or are longer than the index takes are problems
  of the node that has them; names that its file system refuses, of the node that gets them.
- A file with several names is synced under each and noted. To replace it parts it from the others.
- Folders are made for files, and removed with the last one. Empty ones are not synced; one in the
  place of a file gives way.
- What cannot be listed or read is a problem and never a deletion, with all below it. So is a
  folder whose file system went, came or is another one. Nothing is read below an ignore file that
  cannot be read.
- A file system that is mounted inside is written by a folder ``.clawmatrix`` there, which goes when
  it is empty.
- What is replaced or removed is kept in ``.clawmatrix/tmp``, the very file, until it is moved on.
  An edit that comes between the last look and the exchange is kept there too, and told.
- Where there is no room, or anything fails, nothing half-written is in the workspace.
"""
