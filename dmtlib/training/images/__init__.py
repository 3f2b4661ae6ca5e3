"""Algorithm 1: images with one label."""
