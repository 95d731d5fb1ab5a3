"""A webhook endpoint for trying out test deliveries: a good one, or one with faults that real endpoints have."""
