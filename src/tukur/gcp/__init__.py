"""Google Cloud: the platform and a group of machines that grows and shrinks."""
