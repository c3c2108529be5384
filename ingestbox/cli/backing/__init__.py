"""What the command `backup` does, with and without a running box."""
