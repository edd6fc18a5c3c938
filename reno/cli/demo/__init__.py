"""`reno demo`: plays the six use cases on a real system and compares what arrived with what the script expects."""
