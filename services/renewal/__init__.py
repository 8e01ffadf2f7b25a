"""Stage `renewal`: how long a sold service runs, when its user is reminded, and when it has run out (L19)."""
