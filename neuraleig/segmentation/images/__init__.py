"""Images: reading, sets of them, sizes."""
