"""The control socket, as far as commands and the plugin that serves it have to agree.

Start with ``protocol``, the lines that go over the socket. ``address`` says where the socket
is.
"""
