"""Feedback: batches of tickets, analysed for sentiment (contract: feedback)."""
