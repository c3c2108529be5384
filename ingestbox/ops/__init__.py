"""Care for a box: health, doctor, status."""
