"""What the commands about lanes are made of."""
