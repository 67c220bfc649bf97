"""What is judged, and how. Pure: no disk, clock, network, torch."""
