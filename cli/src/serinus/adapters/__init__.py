"""Where runs are read and asked for: the streams in Redis, or a console's API."""
