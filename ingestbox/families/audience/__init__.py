"""Audience: batches of people and companies, checked, told apart, and selected into segments."""
