"""The protocol of the control socket, and where the socket is."""
