"""The guarded HTTP client: bound origins, one deadline, size caps, named faults."""
