"""Taking in what happened, and sending what is due."""
