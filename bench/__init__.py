"""Programs that measure. ``make bench`` runs them all, ``make bench NAME=seen`` one; each prints one JSON line a figure."""
