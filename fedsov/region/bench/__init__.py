"""What runs the code of networks and synthesizers: tasks, and the bench that does them."""
