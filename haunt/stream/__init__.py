"""Everything about WebSocket clients: their frames, what they ask, what they are owed."""
