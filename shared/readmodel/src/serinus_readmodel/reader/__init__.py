"""Reading runs and their stories from Redis."""
