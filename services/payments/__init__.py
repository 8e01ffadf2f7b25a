"""Money beside the stages: statements in, books for operations and accountants, reconciliation. Decides nothing."""
