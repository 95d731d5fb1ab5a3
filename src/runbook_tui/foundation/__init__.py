"""The ground floor: time, places on disk, atomic files, safe text, strict YAML, identifiers. Imports no other room."""
