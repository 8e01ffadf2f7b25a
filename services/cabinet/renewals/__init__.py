"""Services that end, and their renewals: «Истекают», «Продлить» for many, the calendar (L19)."""
