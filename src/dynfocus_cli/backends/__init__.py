"""What runs behind the spine: the native network, and stock video models, by one protocol."""
