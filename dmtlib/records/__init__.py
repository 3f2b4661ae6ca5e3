"""Records of finished runs, and the tables and lists of runs that are made of them."""
