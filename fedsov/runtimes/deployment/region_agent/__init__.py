"""A region's process towards the control plane: it calls outwards, waits there, and acts on what its region lets it."""
