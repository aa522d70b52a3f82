"""The sources that come with Haunt, one folder per venue."""
