"""Haunt's clients, with sockets and without."""
