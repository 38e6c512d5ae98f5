"""What the screen shows, as text, JSON and exported frames, without a screen."""
