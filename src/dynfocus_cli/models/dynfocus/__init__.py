"""The network of the paper behind the protocol of `models/protocol.py`."""
