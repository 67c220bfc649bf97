"""What is read from and written to files. Pure: no disk, clock, network, torch."""
