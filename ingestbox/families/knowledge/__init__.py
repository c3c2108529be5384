"""Crawled articles: taken in, cleaned, judged, cut into passages, found again (contract: knowledge)."""
