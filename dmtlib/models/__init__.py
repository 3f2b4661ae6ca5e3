"""The networks of Section 5.2.1."""
