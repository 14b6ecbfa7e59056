"""The start scripts of the virtual machines: shell, run by the guest agent of Google at every boot."""
