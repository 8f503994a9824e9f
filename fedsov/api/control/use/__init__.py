"""Numbers of use: a region closes its windows and sends what may leave; hub and region show theirs."""
