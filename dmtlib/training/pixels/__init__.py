"""Algorithm 2: images with a label for every pixel."""
