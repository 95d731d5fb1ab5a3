"""Providers: manifests, the catalogue, and the engine that makes their calls through the guarded client."""
