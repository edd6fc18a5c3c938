"""What is measured, a file each: a frozen dataclass of parameters with the full size as defaults, `quick()`, and `measure()`, which returns figures."""
