"""Where the points of a sweep run: in this process, in local processes, on a cluster; what is done when they fail."""
