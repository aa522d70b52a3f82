"""How sources and indicators join Haunt."""
