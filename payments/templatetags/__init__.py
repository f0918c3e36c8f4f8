"""Template tags of the checkout page, the till and the dashboard."""
