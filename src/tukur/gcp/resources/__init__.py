"""The kinds of things that are made in Google Cloud, each with how it is read, made, changed and deleted."""
