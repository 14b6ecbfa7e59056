"""The tests' Google Cloud."""
