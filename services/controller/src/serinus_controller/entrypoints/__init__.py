"""What reaches the controller from outside, decoded."""
