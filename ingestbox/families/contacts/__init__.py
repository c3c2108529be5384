"""Contacts: files of people, repaired where that takes a person, then kept one by e-mail address."""
