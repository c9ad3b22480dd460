"""``selam-agent bench``: what a session costs, with engines that take no time."""
