"""Images with one label."""
