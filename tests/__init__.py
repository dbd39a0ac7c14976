"""Tests, by what they need: unit (nothing), contract, integration, e2e and faults (real servers), browser."""
