"""Data by digest: fetched, unpacked, placed."""
