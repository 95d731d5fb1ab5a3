"""The rules of an incident. Pure: takes events, yields the effects to perform; reads no clock and does no I/O."""
