"""The chapters, as texts and notebooks, and beside them what they show: `page`, `studies`, `figures`."""
