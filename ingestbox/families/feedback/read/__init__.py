"""The read side of feedback: tickets, search, overview, dashboard."""
