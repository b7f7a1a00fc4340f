"""Invitations: made, presented, and taken."""
