"""What a chapter computes, under the chapter's name. No plots."""
