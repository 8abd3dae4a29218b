"""What is worth telling, to whom and in which words: pure."""
