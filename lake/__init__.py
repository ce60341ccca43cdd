"""What the stages share: row models and table specs, access to Delta, rendering, pseudonyms, the registered encoder.

This package imports nothing heavy by itself; each module brings the one library that it needs.
"""
