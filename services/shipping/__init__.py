"""Stage `shipping`: permission, documents, manufacturing order, delivery (L14-L18)."""
