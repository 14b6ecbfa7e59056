"""What makes the parts that are not Python: the eBPF programs and the page. Used by the wheel's hook."""
