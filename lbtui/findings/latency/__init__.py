"""Where the time of requests went: read, taken apart, told."""
