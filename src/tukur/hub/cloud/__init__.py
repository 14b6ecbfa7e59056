"""Machines of Google Compute Engine: who they are, and whether their instance group still has them."""
