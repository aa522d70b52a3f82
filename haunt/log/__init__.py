"""What Haunt says to its operator."""
