"""What reaches the analyzer from outside, decoded."""
