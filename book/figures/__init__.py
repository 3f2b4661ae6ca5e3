"""How a chapter draws it, under the chapter's name."""
