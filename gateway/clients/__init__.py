"""HTTP that we make: the upstream's client, the resellers' client, and what they share."""
