"""What several services must agree on and none owns."""
