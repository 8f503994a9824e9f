"""The regions as the control plane knows them: when each was heard, and what runs there."""
