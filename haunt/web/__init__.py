"""What Haunt shows over plain HTTP."""
