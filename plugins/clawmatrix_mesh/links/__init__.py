"""Connections that become links: handshakes, heartbeats, dialling and direct paths."""
