"""The indicators that come with Haunt, one file each."""
