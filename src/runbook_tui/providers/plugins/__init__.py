"""What a manifest cannot say in YAML: request signing that needs code."""
