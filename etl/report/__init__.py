"""A lake on one page: aggregates of its tables, what stands out in them, and the HTML that shows both."""
