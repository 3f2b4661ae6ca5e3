"""What the book shows: statistics, tables and figures made from models and from run records."""
