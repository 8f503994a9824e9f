"""Where stores lie: in their folder, or their files in a bucket of the region; put in force in one step."""
