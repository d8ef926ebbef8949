"""The page's interactive figures: rows of numbers that other parts computed, and Vega-Lite specifications of them."""
