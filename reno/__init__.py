"""What all rooms share: the domain, the contract's Python, the ports and their adapters."""
