"""The part of Prometheus that Serinus asks: samples, the queries that it writes, and their HTTP API."""
