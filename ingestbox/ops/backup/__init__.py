"""Backups of the whole box: taken while it runs, verified, kept as the settings say, and put back."""
