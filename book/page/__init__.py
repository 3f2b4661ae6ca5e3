"""How anything gets onto a page."""
