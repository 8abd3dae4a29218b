"""The world of a scenario: pods that serve and count, what goes wrong with them, and who scrapes them."""
