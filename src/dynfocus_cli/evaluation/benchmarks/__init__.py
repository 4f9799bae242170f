"""The benchmarks, a file each; nothing lists them."""
